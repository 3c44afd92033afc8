"""Crash scenarios of the controller: policies on three nodes, whose handlers are the story's own writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.api.meta import CONTROLLER_LEASE, CONTROLLER_MANAGER
from nmstate_k8s.apps.run_controller import managed
from nmstate_k8s.apps.settings import ControllerSettings
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.events import EVENTS
from nmstate_k8s.core.leaderelection import LEASES
from nmstate_k8s.domain.kinds import ENACTMENTS, NODES, PODS, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.crashaudit import Watched
from nmstate_k8s.testing.crashplan import undisturbed
from tests.integration.rolloutkit import Cluster, grant, until

NAMESPACE: Final = "crash"
POLICY: Final = "crash"
SETTINGS: Final = ControllerSettings(NAMESPACE, identity="controller-0", health_address="", log_level="info")
A, B, C = NODE_NAMES = [f"{NAMESPACE}-{letter}" for letter in "abc"]


async def live(client: Client) -> None:
    """The controller, as its program runs it."""
    await managed(client, SETTINGS).run(signals=False)


class PolicyWorld:
    """Three nodes and their handlers' pods, and a policy's story."""

    program = f"{__name__}:live"
    agent = CONTROLLER_MANAGER
    watched = (
        Watched(POLICIES),
        Watched(ENACTMENTS),
        Watched(NODES, label_selector=f"lab={NAMESPACE}"),
        Watched(PODS, NAMESPACE),
    )

    def __init__(self, config: ClusterConfig, cluster: Cluster, story: Story) -> None:
        self.config = config
        self.cluster = cluster
        self._story = story

    async def live(self, client: Client) -> None:
        await live(client)

    async def story(self) -> None:
        await self._story(self.cluster)


Story = Callable[[Cluster], Awaitable[None]]


@dataclass(frozen=True)
class PolicyScenario:
    """A story, and one that was told before it, undisturbed."""

    plane: ControlPlane
    name: str
    story: Story
    before: Story | None = None

    @asynccontextmanager
    async def world(self) -> AsyncIterator[PolicyWorld]:
        async with Client(self.plane.config) as admin:
            cluster = Cluster(admin, NAMESPACE)
            await cluster.prepare()
            account = await grant(admin, NAMESPACE)
            config = self.plane.config_for(account)
            try:
                for node in NODE_NAMES:
                    await cluster.add_node(node)
                if self.before is not None:
                    await undisturbed(PolicyWorld(config, cluster, self.before))
                yield PolicyWorld(config, cluster, self.story)
            finally:
                await cluster.clean()
                await _nothing_left(admin)


async def _nothing_left(admin: Client) -> None:
    with suppress(NotFound):
        await admin.delete(LEASES, CONTROLLER_LEASE, NAMESPACE)
    await admin.delete_collection(EVENTS, "default")

    async def nothing() -> bool:
        return not any([(await admin.list(kind)).items for kind in (POLICIES, ENACTMENTS, PODS)])

    await until(nothing, "nothing is left of the run before")


def scenarios(plane: ControlPlane) -> list[PolicyScenario]:
    """All of them."""
    return [
        PolicyScenario(plane, "policy applied, node after node", _one_after_the_other),
        PolicyScenario(plane, "policy applied, all nodes at once", _all_at_once),
        PolicyScenario(plane, "policy edited", _edited, before=_all_at_once),
        PolicyScenario(plane, "policy edited while a node is at work", _edited_at_work),
        PolicyScenario(plane, "policy deleted", _deleted, before=_all_at_once),
        PolicyScenario(plane, "policy deleted and made anew", _made_anew, before=_all_at_once),
        PolicyScenario(plane, "node at work is deleted", _node_deleted),
        PolicyScenario(plane, "node matches no longer, and again", _relabelled, before=_all_at_once),
        PolicyScenario(plane, "one node fails", _failed),
        PolicyScenario(plane, "node is not ready", _not_ready),
    ]


async def _roll_out(cluster: Cluster, nodes: list[str], generation: int = 1, of: int = 3) -> None:
    """Each in its turn; nothing goes on before the controller has said how it stands."""
    done = of - len(nodes)
    for number, node in enumerate(nodes):
        await cluster.admitted(node, POLICY, generation)
        for later in nodes[number + 1 :]:
            await cluster.in_phase(later, POLICY, EnactmentPhase.PENDING, generation)
        await cluster.phase(POLICY, PolicyPhase.PROGRESSING, f"{done + number}/{of} nodes finished")
        await cluster.report(node, POLICY, EnactmentPhase.PROGRESSING)
        await cluster.report(node, POLICY, EnactmentPhase.AVAILABLE)
    await cluster.phase(POLICY, PolicyPhase.AVAILABLE, f"{of}/{of} nodes successfully configured")


async def _one_after_the_other(cluster: Cluster) -> None:
    async with cluster.watching(POLICY) as watcher:
        await cluster.apply(POLICY, {"maxUnavailable": 1})
        await _roll_out(cluster, NODE_NAMES)
    assert watcher.most == 1, f"{watcher.most} nodes were at work at once"


async def _all_at_once(cluster: Cluster) -> None:
    await cluster.apply(POLICY, {"maxUnavailable": "100%"})
    for node in NODE_NAMES:
        await cluster.admitted(node, POLICY)
    await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "0/3 nodes finished")
    for number, node in enumerate(NODE_NAMES[:-1], 1):
        await cluster.report(node, POLICY, EnactmentPhase.AVAILABLE)
        await cluster.phase(POLICY, PolicyPhase.PROGRESSING, f"{number}/3 nodes finished")
    await cluster.report(NODE_NAMES[-1], POLICY, EnactmentPhase.AVAILABLE)
    await cluster.phase(POLICY, PolicyPhase.AVAILABLE, "3/3")


async def _edited(cluster: Cluster) -> None:
    async with cluster.watching(POLICY) as watcher:
        await cluster.apply(POLICY, {"maxUnavailable": 1, "desiredState": {"interfaces": []}})
        await _roll_out(cluster, NODE_NAMES, generation=2)
    assert watcher.most == 1, f"{watcher.most} nodes were at work at once"


async def _edited_at_work(cluster: Cluster) -> None:
    async with cluster.watching(POLICY) as watcher:
        await cluster.apply(POLICY, {"maxUnavailable": 1})
        await cluster.admitted(A, POLICY)
        await cluster.report(A, POLICY, EnactmentPhase.PROGRESSING)
        for later in (B, C):
            await cluster.in_phase(later, POLICY, EnactmentPhase.PENDING)
        await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "0/3 nodes finished")
        await cluster.apply(POLICY, {"maxUnavailable": 1, "desiredState": {"interfaces": []}})
        await _roll_out(cluster, NODE_NAMES, generation=2)
    assert watcher.most == 1, f"{watcher.most} nodes were at work at once"


async def _deleted(cluster: Cluster) -> None:
    await cluster.client.delete(POLICIES, POLICY)
    for node in NODE_NAMES:
        await cluster.gone(node, POLICY)


async def _made_anew(cluster: Cluster) -> None:
    old = {node: (await cluster.enactment(node, POLICY)).uid for node in NODE_NAMES}
    await cluster.client.delete(POLICIES, POLICY)
    await cluster.apply(POLICY, {"maxUnavailable": "100%"})
    for node in NODE_NAMES:

        async def another(node: str = node) -> bool:
            return (await cluster.enactment(node, POLICY)).uid != old[node]

        await until(another, f"{node} has an enactment of the new policy")
    await _all_at_once(cluster)


async def _node_deleted(cluster: Cluster) -> None:
    await cluster.apply(POLICY, {"maxUnavailable": 1})
    await cluster.admitted(A, POLICY)
    await cluster.report(A, POLICY, EnactmentPhase.PROGRESSING)
    for later in (B, C):
        await cluster.in_phase(later, POLICY, EnactmentPhase.PENDING)
    await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "0/3 nodes finished")
    await cluster.delete_node(A)
    await cluster.client.delete(PODS, f"handler-{A}", NAMESPACE, grace_seconds=0)
    await cluster.gone(A, POLICY)
    await _roll_out(cluster, [B, C], of=2)


async def _relabelled(cluster: Cluster) -> None:
    await cluster.label(B, lab="another")
    await cluster.gone(B, POLICY)
    await cluster.phase(POLICY, PolicyPhase.AVAILABLE, "2/2")
    await cluster.label(B, lab=NAMESPACE)
    await cluster.admitted(B, POLICY)
    await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "2/3 nodes finished")
    await cluster.report(B, POLICY, EnactmentPhase.AVAILABLE)
    await cluster.phase(POLICY, PolicyPhase.AVAILABLE, "3/3")


async def _failed(cluster: Cluster) -> None:
    await cluster.apply(POLICY, {"maxUnavailable": 1})
    await cluster.admitted(A, POLICY)
    for later in (B, C):
        await cluster.in_phase(later, POLICY, EnactmentPhase.PENDING)
    await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "0/3 nodes finished")
    await cluster.report(A, POLICY, EnactmentPhase.FAILED, "interface eth666 does not exist")
    for node in (B, C):
        await cluster.in_phase(node, POLICY, EnactmentPhase.ABORTED)
    await cluster.phase(POLICY, PolicyPhase.DEGRADED, "1/3 nodes failed to configure, 2 nodes aborted configuration")


async def _not_ready(cluster: Cluster) -> None:
    await cluster.set_ready(A, False)
    await cluster.apply(POLICY, {"maxUnavailable": 1})
    await cluster.admitted(B, POLICY)
    for later in (A, C):
        await cluster.in_phase(later, POLICY, EnactmentPhase.PENDING)
    await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "0/2 nodes finished")
    await cluster.report(B, POLICY, EnactmentPhase.AVAILABLE)
    await cluster.admitted(C, POLICY)
    await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "1/2 nodes finished")
    await cluster.report(C, POLICY, EnactmentPhase.AVAILABLE)
    await cluster.phase(POLICY, PolicyPhase.AVAILABLE, "2/3 nodes successfully configured, 1 nodes ignored")
    await cluster.set_ready(A, True)
    await cluster.admitted(A, POLICY)
    await cluster.phase(POLICY, PolicyPhase.PROGRESSING, "2/3 nodes finished")
    await cluster.report(A, POLICY, EnactmentPhase.AVAILABLE)
    await cluster.phase(POLICY, PolicyPhase.AVAILABLE, "3/3")
