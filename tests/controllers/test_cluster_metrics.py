"""The gauges about the cluster, as a scrape sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from nmstate_k8s.api.conditions import (
    EnactmentPhase,
    NMStatePhase,
    PolicyPhase,
    enactment_conditions,
    nmstate_conditions,
    policy_conditions,
)
from nmstate_k8s.controllers.clustermetrics import ClusterMetrics
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.objects import Object, ObjectList, Resource
from nmstate_k8s.core.watching import WatchEvent
from nmstate_k8s.domain.admission.known import slim_node_state
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, NODE_STATES, NODES, PODS, POLICIES
from nmstate_k8s.domain.observed.families import FAMILIES
from nmstate_k8s.domain.observed.nodestate import counted
from nmstate_k8s.domain.policy.facts import slim_enactment, slim_node, slim_pod
from nmstate_k8s.testing.transport import ScriptedTransport

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """Informers that are told by hand, and the gauges that are made of them."""

    def __init__(self, client: Client) -> None:
        trims = {
            ENACTMENTS: slim_enactment,
            NODES: slim_node,
            PODS: slim_pod,
            NODE_STATES: lambda whole: counted(whole, slim_node_state(whole)),
        }
        kinds = (POLICIES, ENACTMENTS, NODES, PODS, NODE_STATES, NMSTATES)
        self.informers = {kind: Informer(client, kind, trim=trims.get(kind)) for kind in kinds}
        self.registry = CollectorRegistry()
        self.metrics = ClusterMetrics(self.registry)
        self.metrics.follow(
            policies=self.informers[POLICIES],
            enactments=self.informers[ENACTMENTS],
            nodes=self.informers[NODES],
            pods=self.informers[PODS],
            node_states=self.informers[NODE_STATES],
            nmstates=self.informers[NMSTATES],
        )
        self._version = 0

    def sync(self) -> None:
        """All lists have come, and there is nothing in them."""
        for informer in self.informers.values():
            informer.replace(ObjectList((), "0"))

    def put(self, kind: Resource, name: str, **body: Any) -> None:
        """The API server tells of an object."""
        self._version += 1
        metadata = {"name": name, "uid": f"u-{name}", "resourceVersion": str(self._version), **body.pop("metadata", {})}
        informer = self.informers[kind]
        new = metadata["name"] not in {key.name for key in informer.store}
        body = msgspec.to_builtins({"metadata": metadata, **body})
        informer.apply(WatchEvent("ADDED" if new else "MODIFIED", Object.from_dict(body, kind)))

    def remove(self, kind: Resource, name: str) -> None:
        """The API server tells that it is gone."""
        (found,) = (each for each in self.informers[kind].store.list() if each.name == name)
        self.informers[kind].apply(WatchEvent("DELETED", found))

    def enactment(self, node: str, policy: str, phase: EnactmentPhase | None, **status: Any) -> None:
        """An enactment, as its node reports it."""
        conditions = enactment_conditions(phase, now=NOW) if phase else ()
        labels = {"nmstate.io/policy": policy, "nmstate.io/node": node}
        self.put(
            ENACTMENTS,
            f"{node}.{policy}",
            metadata={"labels": labels},
            status={"conditions": conditions, "desiredState": {"large": "x" * 1000}, **status},
        )

    def policy(self, name: str, phase: PolicyPhase, reason: str = "") -> None:
        """A policy in a phase."""
        conditions = policy_conditions(phase, generation=1, now=NOW, reason=reason)
        self.put(POLICIES, name, status={"conditions": conditions})

    def shown(self, family: str) -> dict[tuple[str, ...], float] | None:
        """What a scrape sees of a family, by the values of its labels; None if it is not there."""
        for metric in self.registry.collect():
            if metric.name == family:
                return {tuple(sample.labels.values()): sample.value for sample in metric.samples}
        return None


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """A leader that has listed everything."""
    async with Client(ClusterConfig("https://x"), transport=ScriptedTransport([])) as client:
        world = World(client)
        world.sync()
        task = asyncio.create_task(world.metrics.run())
        await asyncio.sleep(0)
        yield world
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert list(world.registry.collect()) == []


async def test_policies_are_counted_by_status_and_told_by_name(world: World) -> None:
    """The counts have all statuses, so that a rule over them is never about nothing."""
    assert world.shown("kubernetes_nmstate_policies_status") == {
        ("Available",): 0,
        ("Degraded",): 0,
        ("Progressing",): 0,
        ("Ignored",): 0,
    }
    world.policy("a", PolicyPhase.AVAILABLE)
    world.policy("b", PolicyPhase.PROGRESSING)
    world.policy("b", PolicyPhase.DEGRADED)
    world.put(POLICIES, "new")
    assert world.shown("kubernetes_nmstate_policies_status") == {
        ("Available",): 1,
        ("Degraded",): 1,
        ("Progressing",): 0,
        ("Ignored",): 0,
        ("Unknown",): 1,
    }
    assert world.shown("nmstate_policy_status") == {
        ("a", "Available"): 1,
        ("b", "Degraded"): 1,
        ("new", "Unknown"): 1,
    }
    world.remove(POLICIES, "b")
    assert world.shown("nmstate_policy_status") == {("a", "Available"): 1, ("new", "Unknown"): 1}


async def test_a_policy_that_stands_still_on_purpose_says_why(world: World) -> None:
    """Only while it progresses: what it waits for is told from what hangs."""
    for name, reason in (("canary", "PausedAtStep"), ("held", "RolloutPaused"), ("busy", "")):
        world.policy(name, PolicyPhase.PROGRESSING, reason)
    world.policy("overdue", PolicyPhase.DEGRADED, "ProgressDeadlineExceeded")
    assert world.shown("nmstate_policy_paused") == {("canary", "PausedAtStep"): 1, ("held", "RolloutPaused"): 1}
    world.policy("canary", PolicyPhase.AVAILABLE)
    assert world.shown("nmstate_policy_paused") == {("held", "RolloutPaused"): 1}


async def test_enactments_are_counted_by_node_and_by_policy(world: World) -> None:
    """One that is tried again is Progressing; one that says nothing yet is Unknown."""
    world.enactment("n1", "p", EnactmentPhase.RETRYING)
    world.enactment("n1", "q", EnactmentPhase.PROGRESSING)
    world.enactment("n2", "p", EnactmentPhase.FAILED)
    world.enactment("n2", "q", None)
    assert world.shown("kubernetes_nmstate_enactments_status") == {
        ("n1", "Progressing"): 2,
        ("n2", "Failing"): 1,
        ("n2", "Unknown"): 1,
    }
    assert world.shown("nmstate_policy_nodes") == {
        ("p", "Progressing"): 1,
        ("p", "Failing"): 1,
        ("q", "Progressing"): 1,
        ("q", "Unknown"): 1,
    }


async def test_a_feature_is_shown_once_while_anybody_has_it(world: World) -> None:
    """1, however many enactments have it; gone with the last."""
    world.enactment("n1", "p", EnactmentPhase.AVAILABLE, features=["static-ip", "bond"])
    world.enactment("n2", "p", EnactmentPhase.AVAILABLE, features=["static-ip"])
    assert world.shown("kubernetes_nmstate_features_applied") == {("static-ip",): 1, ("bond",): 1}
    world.remove(ENACTMENTS, "n1.p")
    assert world.shown("kubernetes_nmstate_features_applied") == {("static-ip",): 1}
    world.remove(ENACTMENTS, "n2.p")
    assert world.shown("kubernetes_nmstate_features_applied") == {}


async def test_failures_are_told_by_stage_and_reason_until_the_next_attempt_ends_well(world: World) -> None:
    """Of an enactment that is configured now, an old failure is no news."""
    failure = {"stage": "apply", "reason": "VerificationError", "details": "long"}
    world.enactment("n1", "p", EnactmentPhase.RETRYING, failure=failure)
    assert world.shown("nmstate_enactment_failures") == {("n1", "apply", "VerificationError"): 1}
    world.enactment("n1", "p", EnactmentPhase.AVAILABLE, failure=failure)
    assert world.shown("nmstate_enactment_failures") == {}


async def test_interfaces_and_routes_go_with_their_node(world: World) -> None:
    """They are those of the NodeNetworkState."""
    state = {
        "interfaces": [{"name": "eth0", "type": "ethernet"}, {"name": "lo", "type": "loopback"}],
        "routes": {
            "running": [{"destination": "0.0.0.0/0", "next-hop-interface": "eth0"}, {"destination": "fe80::/64"}],
            "config": [{"destination": "0.0.0.0/0", "next-hop-interface": "eth0"}],
        },
    }
    world.put(NODE_STATES, "n1", status={"currentState": state})
    assert world.shown("kubernetes_nmstate_network_interfaces") == {("ethernet", "n1"): 1, ("loopback", "n1"): 1}
    assert world.shown("kubernetes_nmstate_routes") == {("n1", "ipv4", "static"): 1, ("n1", "ipv6", "dynamic"): 1}
    world.remove(NODE_STATES, "n1")
    assert world.shown("kubernetes_nmstate_network_interfaces") == {}
    assert world.shown("kubernetes_nmstate_routes") == {}


def node(name: str, ready: bool) -> dict[str, Any]:
    """A Node as its kubelet reports it."""
    return {"name": name, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def pod(name: str, where: str, ready: bool) -> dict[str, Any]:
    """A handler's pod."""
    return {**node(name, ready), "metadata": {"namespace": "nmstate"}, "spec": {"nodeName": where}}


async def test_a_handler_is_up_where_a_pod_of_it_is_ready(world: World) -> None:
    """On nodes that are Ready: of the others, the cluster's own alerts speak."""
    for name, ready in (("n1", True), ("n2", True), ("n3", False)):
        world.put(NODES, **node(name, ready))
        world.put(PODS, **pod(f"h-{name}", name, False))
    world.put(PODS, **pod("h-n1", "n1", True))
    assert world.shown("nmstate_node_handler_up") == {("n1",): 1, ("n2",): 0}
    world.put(PODS, **pod("h-new", "n1", False))
    assert world.shown("nmstate_node_handler_up") == {("n1",): 1, ("n2",): 0}
    world.remove(PODS, "h-n1")
    world.remove(PODS, "h-n2")
    assert world.shown("nmstate_node_handler_up") == {("n1",): 0}
    world.put(NODES, **node("n1", False))
    assert world.shown("nmstate_node_handler_up") == {}


async def test_the_installation_has_one_status(world: World) -> None:
    """And the others are 0."""
    conditions = nmstate_conditions(NMStatePhase.ERROR, "no", generation=1, now=NOW)
    world.put(NMSTATES, "nmstate", status={"conditions": conditions})
    assert world.shown("nmstate_installation_status") == {("Available",): 0, ("Progressing",): 0, ("Degraded",): 1}


async def test_nothing_is_shown_before_it_is_known_nor_by_who_does_not_lead() -> None:
    """A gauge that climbs from nothing at each start would be a lie."""
    async with Client(ClusterConfig("https://x"), transport=ScriptedTransport([])) as client:
        world = World(client)
        assert list(world.registry.collect()) == []
        task = asyncio.create_task(world.metrics.run())
        await asyncio.sleep(0)
        assert list(world.registry.collect()) == []
        world.informers[POLICIES].replace(ObjectList((), "0"))
        assert {each.name for each in world.registry.collect()} == {
            "kubernetes_nmstate_policies_status",
            "nmstate_policy_paused",
            "nmstate_policy_status",
        }
        world.sync()
        assert {each.name for each in world.registry.collect()} == {family.name for family in FAMILIES}
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert list(world.registry.collect()) == []
