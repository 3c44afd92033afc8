"""The cluster through kubectl: what a user types, and what comes back."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from e2e.kit.node import Node
from e2e.kit.shell import ROOT, CommandFailed, eventually, run

__all__ = ["HANDLER_NAMESPACE", "Cluster", "condition", "first_true"]

HANDLER_NAMESPACE = "nmstate"
Json = dict[str, Any]


def condition(obj: Json, type_: str) -> Json:
    """The condition of this type, {} where there is none."""
    found = [c for c in obj.get("status", {}).get("conditions", []) if c["type"] == type_]
    return found[0] if found else {}


def first_true(obj: Json) -> str:
    """The type of the first True condition, as the printer column shows it ("" where none is)."""
    return next((c["type"] for c in obj.get("status", {}).get("conditions", []) if c["status"] == "True"), "")


class Cluster:
    """The running lab. Methods name what a user does; each raises with kubectl's own words when it fails."""

    def __init__(self) -> None:
        lines = run(str(ROOT / "hack/lab"), "env").stdout.splitlines()
        exports = [shlex.split(line)[1] for line in lines if line.startswith("export ")]
        self.env = {**os.environ, **dict(e.split("=", 1) for e in exports)}

    def kubectl(
        self, *args: str, input: str | None = None, check: bool = True, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        return run("kubectl", *args, input=input, check=check, timeout=timeout, env=self._environment())

    def _environment(self) -> dict[str, str]:
        path = self.env.get("PATH", os.environ["PATH"])
        os.environ["PATH"] = path  # subprocess looks the program up in this process's PATH
        return self.env

    def nodes(self) -> list[Node]:
        names = [n["metadata"]["name"] for n in self.list("nodes")]
        return [Node(name) for name in sorted(names)]

    # objects

    def get(self, kind: str, name: str, *, namespace: str = "") -> Json:
        where = ["-n", namespace] if namespace else []
        return dict(json.loads(self.kubectl("get", kind, name, *where, "-o", "json").stdout))

    def find(self, kind: str, name: str) -> Json | None:
        """The object, None where it does not exist."""
        done = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return dict(json.loads(done.stdout)) if done.stdout.strip() else None

    def list(self, kind: str, *args: str) -> list[Json]:
        return list(json.loads(self.kubectl("get", kind, *args, "-o", "json").stdout)["items"])

    def apply(self, *objects: Json | str) -> None:
        for obj in objects:
            self.kubectl("apply", "-f", "-", input=obj if isinstance(obj, str) else json.dumps(obj))

    def delete(self, kind: str, *names: str, timeout: float = 120) -> None:
        self.kubectl("delete", kind, *names, "--ignore-not-found", f"--timeout={timeout:.0f}s")

    def wait(self, kind: str, name: str, type_: str, *, timeout: float = 180) -> Json:
        """`kubectl wait --for=condition=TYPE`, and the object then; the failure tells all enactments."""
        try:
            self.kubectl(
                "wait",
                kind,
                name,
                f"--for=condition={type_}",
                f"--timeout={timeout:.0f}s",
                timeout=timeout + 30,
            )
        except CommandFailed as error:
            raise AssertionError(f"{error}\n{self.tell(name)}") from None
        return self.get(kind, name)

    def allow_scripts(self, allowed: bool) -> None:
        """Whether policies may carry dispatch scripts; returns when every handler has been told."""
        self.kubectl(
            "patch", "nmstate", "nmstate", "--type=merge", "-p", json.dumps({"spec": {"allowDispatch": allowed}})
        )

        def told() -> bool:
            handler = self.get("daemonset", "nmstate-handler", namespace=HANDLER_NAMESPACE)
            env = handler["spec"]["template"]["spec"]["containers"][0]["env"]
            return any(each["name"] == "ALLOW_DISPATCH" for each in env) == allowed

        eventually("the handler's DaemonSet has been told", told, timeout=60)
        self.kubectl(
            "rollout", "status", "-n", HANDLER_NAMESPACE, "daemonset/nmstate-handler", "--timeout=120s", timeout=150
        )

    def tell(self, policy: str) -> str:
        """What a person would look at when a policy does not do what it should."""
        looks = (
            ("get", "nncp,nnce"),
            ("get", "nnce", "-l", f"nmstate.io/policy={policy}", "-o", "yaml"),
            ("get", "pods", "-A", "-o", "wide"),
            (
                "logs",
                "-n",
                HANDLER_NAMESPACE,
                "-l",
                "component=kubernetes-nmstate-handler",
                "--tail=40",
                "--prefix",
            ),
            (
                "logs",
                "-n",
                HANDLER_NAMESPACE,
                "-l",
                "component=kubernetes-nmstate-webhook",
                "--tail=20",
                "--prefix",
            ),
        )
        told = [self.kubectl(*look, check=False).stdout for look in looks]
        return "\n".join([*told, *(node.tell() for node in self.nodes())])

    # policies

    def policy(self, name: str, desired: Json, **spec: Any) -> Json:
        """A v1 policy for all workers; `spec` overrides."""
        selector = {"node-role.kubernetes.io/worker": ""}
        return {
            "apiVersion": "nmstate.io/v1",
            "kind": "NodeNetworkConfigurationPolicy",
            "metadata": {"name": name},
            "spec": {"nodeSelector": selector, "desiredState": desired, **spec},
        }

    def enactments(self, policy: str) -> Mapping[str, Json]:
        """Node name to enactment, for one policy."""
        items = self.list("nnce", "-l", f"nmstate.io/policy={policy}")
        return {e["metadata"]["labels"]["nmstate.io/node"]: e for e in items}

    def delete_policies(self) -> None:
        """Take all policies away and wait until their enactments are gone."""
        self.kubectl("delete", "nncp", "--all", "--timeout=120s")
        eventually("all enactments gone", lambda: not self.list("nnce"), timeout=60)

    # the stack

    def handler_pods(self) -> dict[str, Json]:
        """Node name to its handler pod."""
        pods = self.list("pods", "-n", HANDLER_NAMESPACE, "-l", "component=kubernetes-nmstate-handler")
        return {
            p["spec"]["nodeName"]: p
            for p in pods
            if p["spec"].get("nodeName") and not p["metadata"].get("deletionTimestamp")
        }

    def handler_restarts(self) -> dict[str, tuple[str, int]]:
        """Node name to (pod uid, restarts): equal before and after means that the handler lived on."""
        return {
            node: (
                p["metadata"]["uid"],
                sum(c["restartCount"] for c in p["status"].get("containerStatuses", [])),
            )
            for node, p in self.handler_pods().items()
        }

    def node_ready(self, name: str) -> bool:
        return condition(self.get("node", name), "Ready").get("status") == "True"
