"""Two real controllers, one of which leads a rollout, and what befalls them in the middle of it.

Their clocks are ten minutes apart. A checker looks on as one more client, at every resourceVersion; at the end all is
as it would have been without the fault. `FAULTS` are told at the speed of `Times`: SHORT in a test, LONG as asked for
(`hack/leaderless`).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.api.enactment import Enactment
from nmstate_k8s.api.meta import CONTROLLER_LEASE
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.leaderelection import LEASES
from nmstate_k8s.domain.kinds import ENACTMENTS
from nmstate_k8s.domain.policy.facts import EnactmentFacts, enactment_facts
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.rollout.rest import unrest
from nmstate_k8s.testing.rollout.watcher import watching
from tests.integration.candidates import Candidate, two
from tests.integration.players import Players
from tests.integration.rolloutkit import Cluster, until

__all__ = ["FAULTS", "LONG", "SHORT", "Fault", "Times", "roll_out_through"]

POLICY: Final = "disturbed"
NODES: Final = 8
AT_ONCE: Final = 2
WORK_SECONDS: Final = 1.0
"""The longest that a node is at work."""


@dataclass(frozen=True)
class Times:
    """Seconds."""

    lease: float
    away: float
    """For which a leader is frozen or unplugged."""
    down: float
    """For which there is no controller."""

    @property
    def patience(self) -> float:
        """For a new leader, and for a rollout."""
        return 5 * self.lease + 60


SHORT: Final = Times(lease=3, away=6, down=4)
LONG: Final = Times(lease=15, away=60, down=300)


class Scene:
    """A rollout under way."""

    def __init__(self, cluster: Cluster, candidates: dict[str, Candidate], times: Times) -> None:
        self.cluster = cluster
        self.candidates = candidates
        self.times = times
        self.generation = 0

    @property
    def nodes(self) -> list[str]:
        return [f"{self.cluster.namespace}-{number}" for number in range(NODES)]

    @property
    def state(self) -> dict[str, object]:
        """What the newest generation says."""
        return {"interfaces": [{"name": "eth1", "type": "ethernet", "mtu": 1500 + self.generation}]}

    async def edit(self) -> None:
        """A new generation, which has come to some nodes and not to all when this returns."""
        self.generation += 1
        await self.cluster.apply(POLICY, {"maxUnavailable": AT_ONCE, "desiredState": self.state})
        await until(self._amid, f"generation {self.generation} is under way", self.times.patience)

    async def _amid(self) -> bool:
        return any(each.phase_of(self.generation) is EnactmentPhase.AVAILABLE for each in await self.enactments())

    async def enactments(self) -> list[EnactmentFacts]:
        """As they stand."""
        return [enactment_facts(each) for each in (await self.cluster.client.list(ENACTMENTS)).items]

    async def leader(self, but: str = "") -> Candidate:
        """Whom the Lease names, other than this one."""

        async def named() -> str:
            try:
                lease = await self.cluster.client.get(LEASES, CONTROLLER_LEASE, self.cluster.namespace)
            except NotFound:
                return ""
            holder = str(lease.to_dict()["spec"].get("holderIdentity") or "")
            return "" if holder == but else holder

        return self.candidates[await until(named, "somebody leads", self.times.patience)]

    async def ended(self) -> None:
        """All nodes have the newest generation, and the policy says so."""
        words = f"{NODES}/{NODES} nodes successfully configured"
        await self.cluster.phase(POLICY, PolicyPhase.AVAILABLE, words, self.times.patience)
        for node in self.nodes:
            view = (await self.cluster.enactment(node, POLICY)).view(Enactment)
            assert view.spec is not None
            assert view.spec.desired_state == self.state


Fault = Callable[[Scene], Awaitable[None]]


async def frozen(scene: Scene) -> None:
    """The leader is stopped, and goes on while another one's rollout is under way."""
    leader = await scene.leader()
    leader.signal(signal.SIGSTOP)
    await scene.leader(but=leader.identity)
    await asyncio.sleep(scene.times.away - scene.times.lease)
    await scene.edit()
    leader.signal(signal.SIGCONT)


async def unplugged(scene: Scene) -> None:
    """The leader's node hears and says nothing, and later does again."""
    leader = await scene.leader()
    leader.wire.freeze()
    await scene.leader(but=leader.identity)
    await asyncio.sleep(scene.times.away - scene.times.lease)
    await scene.edit()
    leader.wire.restore()


async def both_down(scene: Scene) -> None:
    """Nodes finish what they were admitted to, and nothing begins, not even by an edit; then both are back."""
    for each in scene.candidates.values():
        await each.stop(kill=True)
    scene.generation += 1
    await scene.cluster.apply(POLICY, {"maxUnavailable": AT_ONCE, "desiredState": scene.state})
    before = {(each.uid, each.admitted) for each in await scene.enactments()}
    await asyncio.sleep(scene.times.down)
    after = await scene.enactments()
    assert {(each.uid, each.admitted) for each in after} == before
    assert not [each.name for each in after if each.working], "who was admitted has ended"
    for each in scene.candidates.values():
        each.start()


async def lease_deleted(scene: Scene) -> None:
    """Under its holder."""
    leader = await scene.leader()
    other = next(each for each in scene.candidates.values() if each is not leader)

    async def known() -> bool:
        return "another one leads" in other.log.read_text()

    await until(known, "the other one knows who leads", scene.times.patience)  # who never knew of it would take it
    await scene.edit()
    await scene.cluster.client.delete(LEASES, CONTROLLER_LEASE, scene.cluster.namespace)
    await scene.leader()


FAULTS: Final[dict[str, Fault]] = {
    "frozen": frozen,
    "unplugged": unplugged,
    "both down": both_down,
    "lease deleted": lease_deleted,
}


@asynccontextmanager
async def controllers(
    plane: ControlPlane, namespace: str, times: Times, folder: Path
) -> AsyncIterator[dict[str, Candidate]]:
    """Two processes, by their identities, until the block ends."""
    async with two(plane, namespace, times.lease, folder, program="tests.integration.controllerprogram") as candidates:
        for each in candidates.values():
            each.start()
        yield candidates


async def roll_out_through(fault: Fault, plane: ControlPlane, namespace: str, times: Times, folder: Path) -> None:
    """Begin, suffer, end.

    :raises AssertionError: if the rollout broke a promise on its way, or did not end as it would have.
    """
    async with Client(plane.config) as client:
        cluster = Cluster(client, namespace)
        await cluster.prepare()
        for number in range(NODES):
            await cluster.add_node(f"{namespace}-{number}")
        try:
            async with (
                watching(client) as watcher,
                controllers(plane, namespace, times, folder) as candidates,
                Players(cluster, [f"{namespace}-{number}" for number in range(NODES)], WORK_SECONDS).playing(),
            ):
                scene = Scene(cluster, candidates, times)
                await scene.edit()
                await fault(scene)
                await scene.ended()
                await watcher.has_seen_all()
            checker = watcher.judged()
            assert checker.admissions >= NODES
            assert unrest(checker, asyncio.get_running_loop().time()) == []
        finally:
            await cluster.clean()
