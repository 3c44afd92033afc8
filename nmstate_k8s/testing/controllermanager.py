"""Kubernetes' own controllers, for tests in which they have to do their part: pods come, garbage is collected.

There is neither scheduler nor kubelet: `Kubelets` binds pods, and says for the nodes of its choice what a kubelet
would, that pods run, and that they ended.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import Conflict, NotFound
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.testing.apiserver import ControlPlane, find_binary
from nmstate_k8s.testing.processes import Child

__all__ = ["Kubelets", "controller_manager"]

CONTROLLERS: Final = (
    "garbage-collector-controller",
    "daemonset-controller",
    "deployment-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
)
PODS: Final = Resource("", "v1", "pods", "Pod", namespaced=True)
POLL_SECONDS: Final = 0.2


@contextmanager
def controller_manager(plane: ControlPlane, controllers: Collection[str] = CONTROLLERS) -> Iterator[Child]:
    """A kube-controller-manager at work on a control plane.

    :raises MissingBinaries: if this machine has none.
    """
    folder = Path(tempfile.mkdtemp(prefix="nmstate-k8s-controllers-"))
    config = f"--kubeconfig={plane.kubeconfig}"
    child = Child(
        "kube-controller-manager",
        [
            find_binary("kube-controller-manager"),
            config,
            config.replace("--", "--authentication-", 1),
            config.replace("--", "--authorization-", 1),
            f"--controllers={','.join(controllers)}",
            f"--root-ca-file={plane.config.ca_file}",
            f"--cert-dir={folder}",
            "--secure-port=0",
            "--leader-elect=false",
        ],
        folder / "controllers.log",
    )
    try:
        yield child
    finally:
        child.stop(kill=True)
        shutil.rmtree(folder, ignore_errors=True)


class Kubelets:
    """Pods come to nodes, and run. Of a node that is not (any more) among `alive` nobody says anything: it is dead."""

    def __init__(self, client: Client, *nodes: str) -> None:
        """`client` is the administrator's."""
        self.alive = set(nodes)
        self._client = client

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for pod in (await self._client.list(PODS)).items:
                with suppress(NotFound, Conflict):
                    await self._look_after(pod)
            await asyncio.sleep(POLL_SECONDS)

    async def _look_after(self, pod: Object) -> None:
        body = pod.to_dict()
        node = body["spec"].get("nodeName")
        ending = pod.metadata.deletion_timestamp is not None
        if node is None and not ending:
            await self._bind(pod, _wanted_node(body["spec"]) or min(self.alive))
        elif node is None or (node in self.alive and ending):
            await self._client.delete(PODS, pod.name, pod.namespace, uid=pod.uid, grace_seconds=0)
        elif node in self.alive and body["status"].get("phase") != "Running":
            conditions = [{"type": each, "status": "True"} for each in ("Initialized", "Ready", "ContainersReady")]
            status: dict[str, Any] = {"status": {"phase": "Running", "conditions": conditions}}
            await self._client.merge_patch(PODS, pod.name, status, namespace=pod.namespace, subresource="status")

    async def _bind(self, pod: Object, node: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.name}, "target": target}
        await self._client.request("POST", PODS.path(pod.name, pod.namespace, "binding"), binding)


def _wanted_node(spec: dict[str, Any]) -> str | None:
    """The node that a DaemonSet made a pod for."""
    node_affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    terms = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", ())
    fields = (field for term in terms for field in term.get("matchFields", ()))
    return next((field["values"][0] for field in fields if field["key"] == "metadata.name"), None)
