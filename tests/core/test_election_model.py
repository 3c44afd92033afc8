"""Candidates for one lease under random trouble: never two that may write, and always one again when all is well.

Each candidate is a process of its own: an event loop with its own clock, whose rate differs from the others' by less
than the election's bound. It may be frozen (nothing of it runs, its clock goes on), be cut off, be slow, lose answers,
be ended and started again; the lease may be deleted. What was sent before a process gave up may arrive afterwards.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import LeadershipLost, NotLeader, Unavailable
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.transport import Request, Response, Stream
from nmstate_k8s.testing.transport import answer, failure

STEP = 0.1
NAMES = "abc"


class ProcessLoop(asyncio.SelectorEventLoop):
    """An event loop that is moved on from outside, by the clock of its process."""

    def __init__(self, world: "World", rate: float) -> None:
        self._world = world
        self._rate = rate
        super().__init__()

    def time(self) -> float:
        return self._world.now * self._rate

    def move(self) -> None:
        """Everything that is due, and what follows from it at once."""
        while self._ready or (self._scheduled and self._scheduled[0].when() <= self.time()):
            self.call_soon(self.stop)
            self.run_forever()

    # What asyncio keeps of work to be done; there is no public way to ask for it.
    _ready: Any
    _scheduled: Any


class ProcessClock:
    """A process's clocks: the wall clock may be anywhere."""

    def __init__(self, loop: ProcessLoop) -> None:
        self._loop = loop
        self.skew = timedelta(0)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + self.skew + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Server:
    """One lease, with optimistic concurrency."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self._version = 0

    def handle(self, request: Request) -> Response:
        body = json.loads(request.body) if request.body else {}
        if request.method == "GET":
            return answer(self.lease) if self.lease else failure(404, "NotFound")
        if request.method == "POST":
            return failure(409, "AlreadyExists") if self.lease else self._write(body)
        if self.lease is None:
            return failure(404, "NotFound")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            return failure(409, "Conflict")
        return self._write(body)

    def _write(self, body: dict[str, Any]) -> Response:
        self._version += 1
        metadata = {"name": "lease", "namespace": "n", "resourceVersion": str(self._version)}
        self.lease = {"metadata": metadata, "spec": body["spec"]}
        return answer(self.lease)


class Process:
    """A candidate, and its `Transport`."""

    def __init__(self, world: "World", name: str, rate: float) -> None:
        self._world = world
        self.name = name
        self.loop = ProcessLoop(world, rate)
        self.clock = ProcessClock(self.loop)
        self.frozen = False
        self.cut = False
        self.delay = 0.0
        self.loses_answers = False
        self.works = False
        self.start()

    def start(self) -> None:
        client = Client(ClusterConfig("https://x"), clock=self.clock, transport=self)
        self.election = LeaderElection(client, "lease", "n", self.name, metrics=Metrics())
        self.task = self.loop.create_task(self._run())

    @property
    def may_write(self) -> bool:
        """Whether a write of it would be sent now, were it not frozen."""
        try:
            self.election.fence()
        except NotLeader:
            return False
        return self.works

    async def _run(self) -> None:
        while True:
            with suppress(LeadershipLost):
                await self.election.run(self._work)

    async def _work(self) -> None:
        self.works = True
        try:
            while True:
                if self.may_write:
                    self._world.written(self)
                await asyncio.sleep(0.3)
        finally:
            self.works = False

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        said = self.loop.create_future()
        if not self.cut:
            self._world.carry(self.delay / 2, self._arrives(request, said))
        try:
            async with asyncio.timeout(timeout):
                return await said
        except TimeoutError:
            raise Unavailable("no answer") from None

    def _arrives(self, request: Request, said: "asyncio.Future[Response]") -> Callable[[], None]:
        def arrive() -> None:
            response = self._world.server.handle(request)

            def answered() -> None:
                if not self.cut and not self.loses_answers:
                    self.loop.call_soon(lambda: said.done() or said.set_result(response))

            self._world.carry(self.delay / 2, answered)

        return arrive

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        raise AssertionError("nobody watches here")
        yield

    def reset(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is kept."""


class World:
    """Time, the server, and what is under way to it."""

    def __init__(self, rates: dict[str, float]) -> None:
        self.now = 0.0
        self.server = Server()
        self._carried: list[tuple[float, Callable[[], None]]] = []
        self.processes = {name: Process(self, name, rate) for name, rate in rates.items()}
        self.wrong: list[str] = []
        self.writes: list[tuple[float, str]] = []

    def carry(self, seconds: float, arrives: Callable[[], None]) -> None:
        self._carried.append((self.now + seconds, arrives))

    def written(self, process: Process) -> None:
        self.writes.append((self.now, process.name))

    def move(self, seconds: float) -> None:
        """Everything that happens in these seconds; `wrong` has what must not."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + STEP)
            due = [arrives for at, arrives in self._carried if at <= self.now]
            self._carried = [each for each in self._carried if each[0] > self.now]
            for arrives in due:
                arrives()
            for process in self.processes.values():
                if not process.frozen:
                    process.loop.move()
            may = [name for name, process in self.processes.items() if process.may_write]
            if len(may) > 1:
                self.wrong.append(f"{' and '.join(may)} may write at {self.now:.1f} s")

    def leader_comes(self, seconds: float) -> bool:
        """Whether somebody writes within these seconds."""
        end = self.now + seconds
        while self.now < end:
            before = len(self.writes)
            self.move(1.0)
            if len(self.writes) > before:
                return True
        return False

    def end(self) -> None:
        for process in self.processes.values():
            process.frozen, process.cut = False, False
            process.task.cancel()
        self.move(30)
        for process in self.processes.values():
            assert process.task.done()
            process.loop.close()


names = st.sampled_from(NAMES)
rates = st.floats(0.97, 1.03)


class ElectionMachine(RuleBasedStateMachine):
    """Trouble for three candidates."""

    SECONDS: ClassVar = st.sampled_from([0.3, 1.0, 3.0, 7.0, 12.0, 16.0, 40.0])

    @initialize(rates=st.fixed_dictionaries(dict.fromkeys(NAMES, rates)))
    def begin(self, rates: dict[str, float]) -> None:
        self.world = World(rates)
        self.deleted_at = -30.0

    def process(self, name: str) -> Process:
        return self.world.processes[name]

    @rule(seconds=SECONDS)
    def time_goes_by(self, seconds: float) -> None:
        self.world.move(seconds)
        assert not self.world.wrong, self.world.wrong[0]

    @rule(name=names, frozen=st.booleans(), seconds=SECONDS)
    def freeze(self, name: str, frozen: bool, seconds: float) -> None:
        self.process(name).frozen = frozen
        self.time_goes_by(seconds)

    @rule(name=names, cut=st.booleans())
    def cut(self, name: str, cut: bool) -> None:
        self.process(name).cut = cut

    @rule(name=names, delay=st.sampled_from([0.0, 0.4, 3.0, 8.0, 20.0]), loses_answers=st.booleans())
    def slow(self, name: str, delay: float, loses_answers: bool) -> None:
        self.process(name).delay, self.process(name).loses_answers = delay, loses_answers

    @rule(name=names, hours=st.integers(-9, 9))
    def wall_clock(self, name: str, hours: int) -> None:
        self.process(name).clock.skew = timedelta(hours=hours)

    @rule()
    def lease_is_deleted(self) -> None:
        """Not before all know that there was one: who does not, cannot tell it from the first day."""
        known = all(process.election.leader for process in self.world.processes.values())
        if known and self.world.now >= self.deleted_at + 30:
            self.world.server.lease = None
            self.deleted_at = self.world.now

    @rule(name=names)
    def ends_and_starts(self, name: str) -> None:
        process = self.process(name)
        if process.frozen or self.world.now < self.deleted_at + 30:
            return
        process.task.cancel()
        self.world.move(30)
        process.start()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for process in self.world.processes.values():
            process.frozen, process.cut, process.delay, process.loses_answers = False, False, 0.0, False
        came = self.world.leader_comes(60)
        wrong = list(self.world.wrong)
        self.world.end()
        assert not wrong, wrong[0]
        assert came, "nobody leads a minute after all is well"


TestElection = ElectionMachine.TestCase
TestElection.settings = settings(max_examples=60, stateful_step_count=25)


def test_clocks_that_differ_by_more_than_the_bound_are_seen_to_break_it() -> None:
    """The other way round: a model in which this could not be seen would prove nothing."""
    world = World({"a": 0.6, "b": 1.4})
    world.processes["b"].frozen = True
    assert world.leader_comes(60)
    world.processes["b"].frozen = False
    world.move(10)
    world.processes["a"].cut = True
    world.move(60)
    wrong = list(world.wrong)
    world.end()
    assert wrong
