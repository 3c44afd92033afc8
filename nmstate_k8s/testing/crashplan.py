"""Crash plans: a controller that dies at any of its writes, and starts anew, comes to the same end.

    plan = await CrashPlan.record(scenario, plane.config)
    for point in plan.points:
        outcome = await plan.strike(point)
        assert outcome.reached and not outcome.differences

A `Scenario` makes a `World` for each run, always the same: what is there, the program that is tried (`live`), and what
users and nodes do (`story`, which waits for what the program does, as people do). The scenario is run without a crash,
twice, and its writes are recorded; the two runs must come to the same end, or the scenario itself is chance. Then it
is run once for each write and moment: the program ends there, is started anew at once, and the story goes on. At the
end the world (`Seen`) must be the same, and each object must have been created and deleted as often.

**Why `in_process` is as good as kill -9.** A process acts on the world through its sockets alone here: what is
tried gets a client from us and nothing else. Its transport is the only way out, and of one life only. At the point it
cuts all sockets and refuses all that comes after, within the same step of the event loop: finally blocks and error
handlers that run while its tasks are cancelled can reach nobody, as if they did not run. Requests that were under way
may or may not have arrived, as with a real kill. Nothing in memory is handed on: each life builds all of it anew.
This holds for programs whose only outside world is the API server; one with files or hosts needs `by_kill`
(`crashprocess`), the same with a process of its own that sends itself SIGKILL.

Not compared: the objects that a world does not list among its `watched` (Leases and Events, as a rule: a lease's
times are chance, and events are told at most as well as they can be: a crash may lose one or tell it again); and what
`sameness` says. Not struck: renewals of a lease, and what a program writes when it is stopped in good order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.transport import HttpTransport
from nmstate_k8s.testing.crashaudit import Audit, Seen, Watched
from nmstate_k8s.testing.crashpoints import CrashTransport, Moment, Point, Write
from nmstate_k8s.testing.sameness import differences

__all__ = ["CrashPlan", "Life", "Outcome", "Scenario", "World", "in_process", "undisturbed"]

PATIENCE_SECONDS: Final = 20.0
TRIES: Final = 3
"""How often a point is tried: a write that depends on which of two things was faster does not come each time."""


class World(Protocol):
    """One run's."""

    @property
    def config(self) -> ClusterConfig:
        """As whom the program acts."""

    @property
    def program(self) -> str:
        """`module:function` of what is tried: called with a client, it works until cancelled."""

    @property
    def agent(self) -> str:
        """The program's user agent: the API server may note it as the manager of fields."""

    @property
    def watched(self) -> Sequence[Watched]:
        """What is compared."""

    async def live(self, client: Client) -> None:
        """`program`, called."""

    async def story(self) -> None:
        """What everybody else does.

        :raises AssertionError: if the program does not do its part.
        """


class Scenario(Protocol):
    """Something that happens to a controller."""

    @property
    def name(self) -> str:
        """In few words."""

    def world(self) -> AbstractAsyncContextManager[World]:
        """A world for one run, the same as for every other; it is taken away at the end of the block."""


Life = Callable[[World, Point | None, list[Write]], Awaitable[None]]
"""One life of the program: returns when it has died at the point, and works until cancelled otherwise. It puts what
it writes on the list, if it can."""


async def undisturbed(world: World) -> None:
    """Tell a world's story with a program that lives all the while: what is to be before another story begins."""
    living = asyncio.create_task(in_process(world, None, []))
    try:
        await world.story()
    finally:
        living.cancel()
        await asyncio.wait({living})


async def in_process(world: World, point: Point | None, writes: list[Write]) -> None:
    """A life as tasks of this process.

    :raises RuntimeError: if the program ends by itself.
    """
    transport = CrashTransport(HttpTransport(world.config, user_agent=world.agent), point)
    transport.writes = writes
    async with Client(world.config, transport=transport) as client:
        living = asyncio.create_task(world.live(client))
        dying = asyncio.create_task(transport.died.wait())
        try:
            await asyncio.wait({living, dying}, return_when=asyncio.FIRST_COMPLETED)
            if not transport.died.is_set():
                raise RuntimeError(f"{world.program} ended by itself") from living.exception()
        finally:
            dying.cancel()
            while not living.done():
                client.reset_connections()  # ends pauses between tries, too
                living.cancel()
                await asyncio.wait({living}, timeout=0.1)
            if not living.cancelled():
                living.exception()  # a dead process's last words


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one point."""

    point: Point
    reached: bool
    """Whether the program came there."""
    differences: list[str]
    """To the run without a crash; with what the story complained of."""


@dataclass
class _Run:
    world: World
    point: Point | None
    life: Life
    patience: float
    writes: list[Write] = field(default_factory=list)
    crashed: bool = False

    async def live(self) -> None:
        """One life after the other."""
        if self.point is not None:
            await self.life(self.world, self.point, [])
            self.crashed = True
        await self.life(self.world, None, self.writes)

    async def play(self, audit: Audit, like: Seen | None) -> Seen:
        """The story to its end, and what there is then."""
        living = asyncio.create_task(self.live())
        telling = asyncio.create_task(self.tell(audit, like))
        try:
            await asyncio.wait({living, telling}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
            return telling.result()
        finally:
            for task in (telling, living):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({task})

    async def tell(self, audit: Audit, like: Seen | None) -> Seen:
        """:param like: what to wait for, for a while."""
        await self.world.story()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience
        while True:
            seen = await audit.at_rest()
            if like is None or seen == like or loop.time() > end:
                self.writes = list(self.writes)
                return seen


@dataclass(frozen=True)
class CrashPlan:
    """A scenario, how it ends, and where its program can die."""

    scenario: Scenario
    admin: ClusterConfig
    """As whom is looked on."""
    patience: float
    end: Seen
    points: tuple[Point, ...]

    @classmethod
    async def record(cls, scenario: Scenario, admin: ClusterConfig, *, patience: float = PATIENCE_SECONDS) -> Self:
        """Run it without a crash.

        :param patience: seconds in which the world has to become the same after the end of a story with a crash.
        :raises RuntimeError: if it does not end the same twice.
        """
        writes: dict[Write, None] = {}
        end: Seen | None = None
        for _ in range(2):
            run, seen = await _play(scenario, admin, None, in_process, patience, end)
            writes |= dict.fromkeys(run.writes)
            end = end or seen
            if found := _compare(end, seen):
                raise RuntimeError(f"{scenario.name} does not end the same twice: {found}")
        assert end is not None
        return cls(scenario, admin, patience, end, tuple(Point(moment, write) for write in writes for moment in Moment))

    async def strike(self, point: Point, life: Life = in_process) -> Outcome:
        """Run it with a crash at that point."""
        for _ in range(TRIES):
            try:
                run, seen = await _play(self.scenario, self.admin, point, life, self.patience, self.end)
            except AssertionError as error:
                return Outcome(point, True, [f"the story: {error}"])
            found = _compare(self.end, seen)
            if run.crashed or found:
                return Outcome(point, run.crashed, found)
        return Outcome(point, False, [])


async def _play(
    scenario: Scenario, admin: ClusterConfig, point: Point | None, life: Life, patience: float, like: Seen | None
) -> tuple[_Run, Seen]:
    async with scenario.world() as world, Audit.run(admin, world.watched) as audit:
        run = _Run(world, point, life, patience)
        return run, await run.play(audit, like)


def _compare(one: Seen, other: Seen) -> list[str]:
    return differences(one.state, other.state) + differences(one.counts, other.counts)
