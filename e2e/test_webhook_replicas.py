"""Two replicas behind the Service: while one after the other is replaced, every policy is looked at."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from e2e.kit import Cluster, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, Json
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ApiError
from nmstate_k8s.domain.kinds import POLICIES

CALLS = 1000
"""At least; more where the restart takes longer."""
SEEN_BY_WEBHOOK = "nmstate.io/webhook-mutating-timestamp"
WEBHOOK = "name=nmstate-webhook"
TAINT = "node-role.kubernetes.io/control-plane"


@pytest.fixture
def two_replicas(cluster: Cluster) -> Iterator[None]:
    """Both nodes are the control plane's, so that the controller runs on both."""
    names = [node.name for node in cluster.nodes()]

    def running() -> int:
        deployment = cluster.get("deployment", "nmstate-webhook", namespace=HANDLER_NAMESPACE)
        return int(deployment["status"].get("availableReplicas", 0))

    cluster.kubectl("taint", "node", *names, f"{TAINT}=:NoSchedule", "--overwrite")
    try:
        eventually("two replicas are available", lambda: running() == 2, timeout=120)
        yield
    finally:
        cluster.kubectl("taint", "node", *names, f"{TAINT}:NoSchedule-")
        eventually("one replica is left", lambda: len(_pods(cluster)) == 1, timeout=120)


def _pods(cluster: Cluster) -> list[Json]:
    return cluster.list("pods", "-n", HANDLER_NAMESPACE, "-l", WEBHOOK)


def test_each_replica_is_on_a_node_of_its_own(cluster: Cluster, two_replicas: None) -> None:
    """One node that is lost, or drained, leaves the other."""
    assert len({pod["spec"]["nodeName"] for pod in _pods(cluster)}) == 2


def test_no_policy_passes_unseen_while_the_replicas_are_replaced(cluster: Cluster, two_replicas: None) -> None:
    """Good ones are filled in, bad ones refused: neither can happen without the webhook, whose failures are ignored."""
    before = {pod["metadata"]["uid"] for pod in _pods(cluster)}
    cluster.kubectl("rollout", "restart", "deployment/nmstate-webhook", "-n", HANDLER_NAMESPACE)
    waiting = ("rollout", "status", "deployment/nmstate-webhook", "-n", HANDLER_NAMESPACE, "--timeout=180s")
    with subprocess.Popen(["kubectl", *waiting], env=cluster.env, stdout=subprocess.DEVNULL) as rollout:
        calls = asyncio.run(_call(cluster, lambda: rollout.poll() is not None))
        assert rollout.wait() == 0
    eventually("the old pods are gone", lambda: not before & {p["metadata"]["uid"] for p in _pods(cluster)}, timeout=60)
    assert set(calls) == {"seen", "refused"}, calls
    assert calls.total() >= CALLS


async def _call(cluster: Cluster, over: Callable[[], bool]) -> Counter[str]:
    """Write policies, one good and one bad after the other, until it is over; what became of each."""
    told: Counter[str] = Counter()

    async def some(client: Client, number: int) -> None:
        while told.total() < CALLS or not over():
            told[await _good(client, f"calls-{number}")] += 1
            told[await _bad(client, f"calls-{number}")] += 1

    async with Client(ClusterConfig.from_kubeconfig(cluster.env["KUBECONFIG"])) as client, asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(some(client, number))
    return told


def _policy(name: str, mtu: object) -> Json:
    interface = {"name": "eth1", "type": "ethernet", "state": "up", "mtu": mtu}
    spec = {"nodeSelector": {"none": "such"}, "desiredState": {"interfaces": [interface]}}
    return {"apiVersion": POLICIES.api_version, "kind": POLICIES.kind, "metadata": {"name": name}, "spec": spec}


async def _good(client: Client, name: str) -> str:
    written = await client.apply(POLICIES, _policy(name, 1500), field_manager="e2e", dry_run=True)
    return "seen" if SEEN_BY_WEBHOOK in written.metadata.annotations else "not seen"


async def _bad(client: Client, name: str) -> str:
    try:
        await client.apply(POLICIES, _policy(name, "many"), field_manager="e2e", dry_run=True)
    except ApiError as error:
        return "refused" if "mtu" in str(error) else str(error)
    return "not refused"
