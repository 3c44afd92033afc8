"""Two real processes stand for election at a real API server, and are frozen, killed, cut off: one writes at a time.

Lease and work are written to the same server, whose resourceVersions tell the order of all writes: at each write of
the work its writer must be the one that the lease named last. The clocks of the two are ten minutes apart.
`LEADER_LEASE_SECONDS=15` asks it at the speed of a cluster.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.leaderelection import LEASES
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from tests.integration.candidates import Candidate, two
from tests.integration.leaderprogram import CONFIG_MAPS, NAMESPACE

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]

LEASE_SECONDS = float(os.environ.get("LEADER_LEASE_SECONDS", "3"))
FROZEN_SECONDS, FREEZES = 2 * LEASE_SECONDS, 3
"""Only some freezes meet a process that has made up its mind to write."""
PATIENCE = 5 * LEASE_SECONDS + 20


class Election:
    """What the server saw: versions of the lease (who holds it) and of the work (who wrote), by resourceVersion."""

    def __init__(self, client: Client, name: str, candidates: dict[str, Candidate]) -> None:
        self.client = client
        self.name = name
        self.candidates = candidates
        self.holders: list[tuple[int, str]] = []
        self.writers: list[tuple[int, str]] = []

    async def look_on(self, resource: Resource, namespace: str, heard: Callable[[str, Object], None]) -> None:
        version = (await self.client.list(resource, namespace)).resource_version
        while True:
            field = f"metadata.name={self.name}"
            events = self.client.watch(resource, namespace, resource_version=version, field_selector=field)
            async with aclosing(events) as stream:
                async for event in stream:
                    heard(event.type, event.object)
                    version = event.object.metadata.resource_version

    def lease(self, type_: str, found: Object) -> None:
        holder = "" if type_ == "DELETED" else str(found.to_dict()["spec"].get("holderIdentity") or "")
        self.holders.append((int(found.metadata.resource_version), holder))

    def work(self, type_: str, found: Object) -> None:
        data: dict[str, Any] = found.to_dict().get("data") or {}
        if type_ == "MODIFIED" and "by" in data:
            self.writers.append((int(found.metadata.resource_version), data["by"]))

    async def leader(self, but: str = "") -> Candidate:
        """Who works, other than this one, as soon as somebody does anew."""
        begun = len(self.writers)
        await until(lambda: any(by != but for _, by in self.writers[begun:]), PATIENCE)
        return self.candidates[next(by for _, by in reversed(self.writers) if by != but)]

    async def written(self, more: int) -> None:
        """Some more work was done."""
        begun = len(self.writers)
        await until(lambda: len(self.writers) >= begun + more, PATIENCE)

    def check(self) -> None:
        """Nobody wrote while the lease was another's. Where it was deleted, it counts as its last holder's."""
        wrong: list[str] = []
        for version, writer in self.writers:
            named = [holder for at, holder in self.holders if at < version and holder]
            if not named or named[-1] != writer:
                wrong.append(f"{version}: written by {writer}, the lease was of {named[-1] if named else 'nobody'}")
        assert not wrong, wrong
        assert len(self.writers) > len(self.candidates)


@asynccontextmanager
async def standing(plane: ControlPlane, client: Client, name: str, folder: Path) -> AsyncIterator[Election]:
    """Two candidates, one of which leads."""
    body: dict[str, Any] = {"metadata": {"name": name, "namespace": NAMESPACE}}
    await client.create(CONFIG_MAPS, body)
    async with two(plane, name, LEASE_SECONDS, folder) as candidates:
        election = Election(client, name, candidates)
        looking = [
            asyncio.create_task(election.look_on(LEASES, NAMESPACE, election.lease)),
            asyncio.create_task(election.look_on(CONFIG_MAPS, NAMESPACE, election.work)),
        ]
        for candidate in candidates.values():
            candidate.start()
        try:
            await election.leader()
            yield election
            election.check()
            for task in looking:
                assert not task.done(), task.exception()
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)


async def frozen(election: Election) -> None:
    """The leader is stopped for longer than its lease, and goes on where it was: with a write in hand."""
    for _ in range(FREEZES):
        leader = await election.leader()
        leader.signal(signal.SIGSTOP)
        begun = asyncio.get_running_loop().time()
        await election.leader(but=leader.identity)
        await asyncio.sleep(max(0.0, begun + FROZEN_SECONDS - asyncio.get_running_loop().time()))
        leader.signal(signal.SIGCONT)
        await election.written(30)


async def killed(election: Election) -> None:
    """The leader dies without a word, and comes back."""
    leader = await election.leader()
    await leader.stop(kill=True)
    await election.leader(but=leader.identity)
    leader.start()
    await election.written(100)


async def asked_to_end(election: Election) -> None:
    """The leader gives the lease up, so that nobody waits for it to run out."""
    leader = await election.leader()
    await leader.stop()
    await election.leader(but=leader.identity)
    assert any(not holder for _, holder in election.holders), "the lease was not given up"


async def unplugged(election: Election) -> None:
    """The leader's packets go nowhere; later it hears again."""
    leader = await election.leader()
    leader.wire.freeze()
    await election.leader(but=leader.identity)
    leader.wire.restore()
    await election.written(100)


async def lease_deleted(election: Election) -> None:
    """Somebody deletes the lease under its holder."""
    leader = await election.leader()
    other = next(each for each in election.candidates.values() if each is not leader)
    await until(lambda: "another one leads" in other.log.read_text(), PATIENCE)  # who never knew of it would take it
    await election.client.delete(LEASES, election.name, NAMESPACE)
    await until(lambda: election.holders[-1][1], PATIENCE)
    await election.written(100)
    assert election.holders[-1][1] == leader.identity, "its holder makes it again"


@pytest.mark.parametrize("ill", [frozen, killed, asked_to_end, unplugged, lease_deleted])
async def test_never_two_writers(
    ill: Callable[[Election], Awaitable[None]], control_plane: ControlPlane, client: Client, tmp_path: Path
) -> None:
    """Whatever befalls the one that leads, the other takes over, and no write comes at the wrong time."""
    name = f"never-two-{ill.__name__.replace('_', '-')}"
    async with standing(control_plane, client, name, tmp_path) as election:
        await ill(election)
