"""What is said at `kubectl apply`, by a stack that has just been installed and by one whose webhook is away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.kit import Cluster, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, Json
from e2e.kit.mistakes import Mistake, catalogue
from e2e.kit.shell import CommandFailed

INSTALLATIONS = int(os.environ.get("E2E_INSTALLATIONS", "2"))
"""How often the stack is installed anew; 20 where time does not matter."""
STACK = "app=kubernetes-nmstate"
SEEN_BY_WEBHOOK = "nmstate.io/webhook-mutating-timestamp"
REFUSED = {m.name: m for subject in catalogue() for m in subject.mistakes if m.stage == "generate"}


def dummy(name: str) -> Json:
    return {"interfaces": [{"name": name, "type": "dummy", "state": "up", "ipv4": {"enabled": False}}]}


def refusal(cluster: Cluster, policy: Json) -> str:
    """What kubectl says of a policy that is not taken."""
    with pytest.raises(CommandFailed) as refused:
        cluster.apply(policy)
    return refused.value.stderr


def test_the_first_policy_is_accepted_and_seen(cluster: Cluster) -> None:
    """As soon as all pods are Ready the webhook is called: it is not only there, the API server trusts it."""
    nmstate = cluster.list("nmstate")[0]
    again = {key: nmstate[key] for key in ("apiVersion", "kind", "spec") if key in nmstate}
    again["metadata"] = {"name": nmstate["metadata"]["name"]}
    for number in range(INSTALLATIONS):
        cluster.delete("nmstate", nmstate["metadata"]["name"])
        eventually("all pods are gone", lambda: not cluster.list("pods", "-A", "-l", STACK), timeout=120)
        cluster.apply(again)
        eventually("all pods are there", lambda: len(_pods(cluster)) == len(cluster.nodes()) + 1, timeout=60)
        cluster.kubectl("wait", "pod", *_pods(cluster), "-n", HANDLER_NAMESPACE, "--for=condition=Ready")
        name = f"first-{number}"
        cluster.apply(cluster.policy(name, dummy("first1")))
        assert SEEN_BY_WEBHOOK in cluster.get("nncp", name)["metadata"]["annotations"], "the webhook was not asked"
        cluster.wait("nncp", name, "Available")


def _pods(cluster: Cluster) -> list[str]:
    pods = cluster.list("pods", "-n", HANDLER_NAMESPACE, "-l", STACK)
    return [pod["metadata"]["name"] for pod in pods if not pod["metadata"].get("deletionTimestamp")]


@pytest.mark.parametrize("mistake", [REFUSED["misspelt-key"], REFUSED["masked-password"], REFUSED["dispatch"]])
def test_a_mistake_is_refused_with_its_path(cluster: Cluster, mistake: Mistake) -> None:
    """At once, and nothing is left of it."""
    said = refusal(cluster, {**cluster.policy("refused", {}), "spec": mistake.spec})
    assert "spec.desiredState.interfaces[0]." in said
    assert cluster.find("nncp", "refused") is None


def test_without_the_webhook_policies_are_taken(cluster: Cluster) -> None:
    """Whoever repairs a cluster must not wait for ours; the node judges again."""
    wrong = {**cluster.policy("unasked", {}), "spec": REFUSED["misspelt-key"].spec}
    with _nobody_at_home(cluster):
        begun = time.monotonic()
        cluster.apply(wrong)
        assert time.monotonic() - begun < 60
        assert SEEN_BY_WEBHOOK not in cluster.get("nncp", "unasked")["metadata"].get("annotations", {})
    cluster.wait("nncp", "unasked", "Degraded")
    cluster.wait("nmstate", "nmstate", "Available")
    assert "spec.desiredState.interfaces[0]." in refusal(cluster, {**wrong, "metadata": {"name": "asked"}})


@contextmanager
def _nobody_at_home(cluster: Cluster) -> Iterator[None]:
    """No controller, and no operator that would bring it back."""
    operator = cluster.list("pods", "-A", "-l", "name=nmstate-operator")[0]["metadata"]["namespace"]

    def scale(namespace: str, name: str, replicas: int) -> None:
        cluster.kubectl("scale", "deployment", name, "-n", namespace, f"--replicas={replicas}")
        label = f"name={name}"
        eventually(
            f"{name} has {replicas} pods", lambda: len(cluster.list("pods", "-A", "-l", label)) == replicas, timeout=120
        )

    try:
        scale(operator, "nmstate-operator", 0)
        scale(HANDLER_NAMESPACE, "nmstate-webhook", 0)
        yield
    finally:
        scale(operator, "nmstate-operator", 1)
