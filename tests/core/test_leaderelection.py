"""Leader election against a lease in memory, on virtual time: never two at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ConfigError, LeadershipLost, NotLeader, Unavailable
from nmstate_k8s.core.leaderelection import LEASES, LeaderElection
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.transport import Request, Response, Stream
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import answer, failure

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class LeaseServer:
    """One lease with optimistic concurrency, as seen by all candidates."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.writers: list[str] = []

    def handle(self, request: Request) -> Response:
        body = json.loads(request.body) if request.body else {}
        if request.method == "GET":
            return answer(self.lease) if self.lease else failure(404, "NotFound")
        if request.method == "POST":
            if self.lease:
                return failure(409, "AlreadyExists")
            return self.write(body)
        assert request.method == "PATCH"
        if self.lease is None:
            return failure(404, "NotFound")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            return failure(409, "Conflict")
        return self.write(body)

    def write(self, body: dict[str, Any]) -> Response:
        self.version += 1
        metadata = {"name": "lease", "namespace": "n", "resourceVersion": str(self.version)}
        self.lease = {"metadata": metadata, "spec": body["spec"]}
        self.writers.append(body["spec"]["holderIdentity"])
        return answer(self.lease)


@dataclass
class Wire:
    """A candidate's connection to the server: it can be cut, or be slow."""

    server: LeaseServer
    cut: bool = False
    delay: float = 0.0
    lost_answers: bool = False
    requests: int = 0
    no_way: bool = False
    waited: bool = False
    """Whether a request was not urgent."""

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        self.requests += 1
        self.waited = self.waited or not request.urgent
        if self.no_way:
            raise ConfigError("the CA's file is being replaced")
        if self.cut:
            await asyncio.sleep(timeout)
            raise Unavailable("no answer")
        await asyncio.sleep(self.delay)
        if request.fence is not None:
            request.fence()
        said = self.server.handle(request)
        if self.lost_answers:
            raise Unavailable("the answer was lost")
        return said

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        raise AssertionError("nobody watches here")
        yield

    def reset(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is kept."""


@dataclass
class World:
    """The server, and who leads."""

    server: LeaseServer = field(default_factory=LeaseServer)
    leading: list[str] = field(default_factory=list)
    history: list[tuple[float, str]] = field(default_factory=list)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def candidate(self, name: str, *, stop_seconds: float = 0.0) -> "Candidate":
        """One more process; its work takes `stop_seconds` to end."""
        return Candidate(self, name, stop_seconds)


class FreezingClock(LoopClock):
    """The clock of a process that was frozen (SIGSTOP): its timers stood still, its monotonic clock did not."""

    frozen = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.frozen


class Candidate:
    """A process that wants to lead."""

    def __init__(self, world: World, name: str, stop_seconds: float) -> None:
        self.world = world
        self.name = name
        self.stop_seconds = stop_seconds
        self.wire = Wire(world.server)
        self.clock = FreezingClock()
        self.client = Client(ClusterConfig("https://x"), clock=self.clock, transport=self.wire)
        self.election = LeaderElection(self.client, "lease", "n", name, metrics=Metrics())
        self.task = asyncio.create_task(self.run())
        world.tasks.append(self.task)

    async def run(self) -> None:
        while True:
            with suppress(LeadershipLost):
                await self.election.run(self.work)

    async def work(self) -> None:
        assert not self.world.leading, f"{self.name} begins while {self.world.leading} still work"
        self.world.leading.append(self.name)
        self.world.history.append((asyncio.get_running_loop().time(), self.name))
        try:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(self.stop_seconds)
        finally:
            self.world.leading.remove(self.name)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """A world that is tidied up; whatever went wrong in it is raised."""
    made = World()
    yield made
    for task in made.tasks:
        task.cancel()
    for result in await asyncio.gather(*made.tasks, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def test_one_of_several_leads() -> None:
    """And goes on leading while it renews."""
    async with world() as w:
        for name in "abc":
            w.candidate(name)
        await asyncio.sleep(300)
        assert w.leading == ["a"]
        assert set(w.server.writers) == {"a"}


async def test_a_leader_that_ends_gives_the_lease_up() -> None:
    """The next one leads within seconds, not after the lease has run out."""
    async with world() as w:
        first, _ = w.candidate("a"), w.candidate("b")
        await asyncio.sleep(60)
        first.task.cancel()
        await until(lambda: w.leading == ["b"])
        assert asyncio.get_running_loop().time() < 60 + 3


async def test_a_leader_that_stops_slowly_leads_until_its_work_has_ended() -> None:
    """It goes on renewing meanwhile; the next one begins afterwards."""
    async with world() as w:
        first, _ = w.candidate("a", stop_seconds=60), w.candidate("b")
        await asyncio.sleep(10)
        first.task.cancel()
        await asyncio.sleep(50)
        assert w.leading == ["a"]
        await until(lambda: w.leading == ["b"])
        assert w.history[1][0] >= 70


@pytest.mark.parametrize("stop_seconds", [0.0, 3.0, 100.0])
async def test_a_leader_that_is_cut_off_has_stopped_before_another_begins(stop_seconds: float) -> None:
    """However long its work would like to take."""
    async with world() as w:
        first, _ = w.candidate("a", stop_seconds=stop_seconds), w.candidate("b")
        await asyncio.sleep(60)
        first.wire.cut = True
        await until(lambda: w.leading == ["b"], 60)
        assert 10 < w.history[1][0] - 60 < 20


async def test_a_short_interruption_changes_nothing() -> None:
    """A renewal may fail for a few seconds."""
    async with world() as w:
        first, _ = w.candidate("a"), w.candidate("b")
        await asyncio.sleep(60)
        first.wire.cut = True
        await asyncio.sleep(6)
        first.wire.cut = False
        await asyncio.sleep(100)
        assert w.history == [(0, "a")]


async def test_a_process_without_a_way_to_the_server_stands_again() -> None:
    """Files that are replaced while it connects anew: it is no reason to end, neither for who leads nor who waits."""
    async with world() as w:
        a = w.candidate("a")
        a.wire.no_way = True
        await asyncio.sleep(60)
        a.wire.no_way = False
        await until(lambda: w.leading == ["a"])
        a.wire.no_way = True
        await until(lambda: not w.leading)
        a.wire.no_way = False
        await until(lambda: w.leading == ["a"])
        assert not a.wire.waited


async def test_who_will_not_wait_for_the_work_leaves_nothing_behind_and_the_lease_as_it_is() -> None:
    """Nobody renews for work that nobody watches, and nobody else begins beside it."""
    server, let_go = LeaseServer(), asyncio.Event()
    client = Client(ClusterConfig("https://x"), clock=LoopClock(), transport=Wire(server))
    election = LeaderElection(client, "lease", "n", "a", metrics=Metrics())

    async def stubborn() -> None:
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()

    running = asyncio.create_task(election.run(stubborn))
    await until(lambda: election.is_leader)
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0.1)
    assert running.done()
    assert set(server.writers) == {"a"}
    written = len(server.writers)
    await asyncio.sleep(60)
    assert len(server.writers) == written
    let_go.set()


async def test_a_slow_server_does_not_make_two_leaders() -> None:
    """What counts is when a renewal was sent, not when it was answered."""
    async with world() as w:
        first, second = w.candidate("a"), w.candidate("b")
        first.wire.delay = second.wire.delay = 3.5
        await asyncio.sleep(600)
        assert len(w.leading) == 1


async def test_lost_answers_are_looked_into() -> None:
    """The write may have happened: the next try reads before it writes."""
    async with world() as w:
        first = w.candidate("a")
        await asyncio.sleep(10)
        first.wire.lost_answers = True
        await asyncio.sleep(5)
        first.wire.lost_answers = False
        await asyncio.sleep(60)
        assert w.history == [(0, "a")]


async def test_a_lease_that_is_taken_away_is_lost() -> None:
    """An administrator writes another holder: the leader stops at its next renewal."""
    async with world() as w:
        first = w.candidate("a")
        await asyncio.sleep(10)
        spec = {"holderIdentity": "other", "leaseDurationSeconds": 15}
        w.server.write({"spec": spec})
        await until(lambda: not w.leading)
        assert asyncio.get_running_loop().time() < 16
        assert not first.election.is_leader


async def test_the_lease_of_a_dead_process_is_taken_after_its_time() -> None:
    """Not before, by our own clock."""
    async with world() as w:
        spec = {"holderIdentity": "dead", "leaseDurationSeconds": 30, "renewTime": "2020-01-01T00:00:00Z"}
        w.server.write({"spec": spec})
        w.candidate("a")
        await asyncio.sleep(29)
        assert w.leading == []
        await until(lambda: w.leading == ["a"])
        assert w.server.lease is not None
        assert w.server.lease["spec"]["leaseTransitions"] == 1


async def test_work_that_returns_ends_the_leadership() -> None:
    """And its errors are the caller's."""
    server = LeaseServer()
    client = Client(ClusterConfig("https://x"), clock=LoopClock(), transport=Wire(server))
    metrics = Metrics()
    election = LeaderElection(client, "lease", "n", "a", metrics=metrics)

    async def work() -> None:
        assert election.is_leader
        assert metrics.registry.get_sample_value("leader_election_master_status", {"name": "lease"}) == 1
        await asyncio.sleep(30)
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        await election.run(work)
    assert server.writers[-1] == ""
    assert not election.is_leader


async def test_times_that_would_let_two_lead_are_refused() -> None:
    """At once, with the rule."""
    client = Client(ClusterConfig("https://x"), transport=Wire(LeaseServer()))
    with pytest.raises(ValueError, match="lease_seconds > renew_deadline"):
        LeaderElection(client, "lease", "n", "a", lease_seconds=10, renew_deadline=10, metrics=Metrics())


async def test_a_leader_that_was_frozen_sends_no_write_when_it_wakes() -> None:
    """Before its own timers have noticed anything; and what it sends while it leads goes through."""
    async with world() as w:
        a = w.candidate("a")
        with pytest.raises(NotLeader, match="another process may lead"):
            a.election.fence()  # it does not lead yet
        await until(lambda: w.leading == ["a"])
        fenced = a.client.fenced(a.election.fence)
        a.election.fence()
        a.clock.frozen = 13.9
        a.election.fence()  # nobody else may have begun, and the work has yet to end
        a.clock.frozen = 14.1
        assert w.leading == ["a"]
        written = list(w.server.writers)
        with pytest.raises(NotLeader, match="lease lease"):
            await fenced.merge_patch(LEASES, "lease", {"spec": {}}, namespace="n")
        assert w.server.writers == written


async def test_a_leader_that_gave_the_lease_up_sends_no_write_any_more() -> None:
    """Though it renewed a moment ago: what its work left behind must not write beside the next leader."""
    async with world() as w:
        a = w.candidate("a")
        await until(lambda: w.leading == ["a"])
        a.task.cancel()
        await until(a.task.done)
        with pytest.raises(NotLeader):
            a.election.fence()
