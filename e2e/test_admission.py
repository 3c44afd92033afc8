"""What is said at `kubectl apply`, by a stack that has just been installed and by one whose webhook is away."""

from __future__ import annotations

import os
import time

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, Json
from e2e.kit.mistakes import Mistake, catalogue
from e2e.kit.shell import CommandFailed
from nmstate_k8s.api.meta import WEBHOOK_COMPONENT

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


def test_without_the_webhook_policies_are_taken(cluster: Cluster, nodes: list[Node]) -> None:
    """Whoever repairs a cluster must not wait for ours; the node judges again."""
    component = f"component={WEBHOOK_COMPONENT}"
    old = {pod["metadata"]["uid"] for pod in cluster.list("pods", "-n", HANDLER_NAMESPACE, "-l", component)}
    cluster.kubectl("delete", "pods", "-n", HANDLER_NAMESPACE, "-l", component, "--force", "--grace-period=0")
    begun = time.monotonic()
    cluster.apply({**cluster.policy("unasked", {}), "spec": REFUSED["misspelt-key"].spec})
    assert time.monotonic() - begun < 60

    eventually(
        "another webhook is ready",
        lambda: any(
            pod["metadata"]["uid"] not in old and all(each["ready"] for each in pod["status"]["containerStatuses"])
            for pod in cluster.list("pods", "-n", HANDLER_NAMESPACE, "-l", component)
            if pod["status"].get("containerStatuses")
        ),
        timeout=120,
    )
    cluster.wait("nncp", "unasked", "Degraded")
    assert "spec.desiredState.interfaces[0]." in refusal(
        cluster, {**cluster.policy("asked", {}), "spec": REFUSED["misspelt-key"].spec}
    )
