"""What the tests of the node share: a clock that jumps, and transactions on a fake host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.host.executor import Executor
from nmstate_k8s.domain.host.failpoints import Failpoints
from nmstate_k8s.domain.host.journal import Journal
from nmstate_k8s.domain.host.probes.plan import ProbePlan
from nmstate_k8s.domain.host.probes.result import ProbeFailed
from nmstate_k8s.domain.host.probes.runner import ProbeRunner
from nmstate_k8s.domain.host.reading import StateReader
from nmstate_k8s.domain.host.requests import Task
from nmstate_k8s.domain.host.transaction import Transactions
from nmstate_k8s.testing.host import FakeHost


class JumpingClock:
    """Time that passes only by being slept; whoever is listed in `also` is told how much."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.also: list[Callable[[float], None]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        for told in self.also:
            told(seconds)
        await asyncio.sleep(0)


class LoopClock(JumpingClock):
    """The event loop's own time, virtual or not."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class StubProbe:
    """A probe that follows a predicate of the host."""

    def __init__(self, name: str, works: Callable[[], bool], *, always: bool = False) -> None:
        self.name = name
        self.kind = name.partition(" ")[0]
        self.always = always
        self.try_seconds = 0.2
        self.works = works

    async def attempt(self, change: Any) -> None:
        if not self.works():
            raise ProbeFailed("no answer")


class Killed(BaseException):
    """The process is gone: nothing catches it."""


class Deadly:
    """Failpoints of which one is the end."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def reach(self, name: str) -> None:
        if name == self.name:
            raise Killed


@dataclass
class Rig:
    """A node, and what happens on it."""

    host: FakeHost
    folder: Path
    clock: JumpingClock = field(default_factory=JumpingClock)
    notices: list[tuple[str, bool]] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)
    boot: str = "boot-1"
    parachute: bool = True
    """Whether the restore unit runs whenever NetworkManager starts."""
    probes: list[StubProbe] = field(default_factory=list)
    reader: StateReader | None = None

    def __post_init__(self) -> None:
        self.host.started = self._restore

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "journal", root=self.folder / "root", links=lambda: [(1, "lo"), (2, "eth0")])

    def _restore(self) -> None:
        """What restore.sh does, as far as this host has it, while a handler lives."""
        if self.parachute and (self.folder / "journal/complete").exists():
            self.host.state = msgspec.json.decode(self.journal.states().before)
            for mark in ("restoring", "restored"):
                (self.folder / "journal" / mark).write_text("nm-restart\n")

    def cut_power(self) -> None:
        """The untested profiles are on the disk; restore.sh runs before NetworkManager does."""
        self.boot = "boot-2"
        self.host.crash_networkmanager()
        if self.parachute and (self.folder / "journal").exists():
            self.host.state = msgspec.json.decode(self.journal.states().before)
            (self.folder / "journal/restored").write_text("boot\n")
            (self.folder / "journal").rename(self.folder / "restored")

    def probe(self, name: str, works: Callable[[], bool], *, always: bool = False) -> None:
        """From now on the node has this probe."""
        self.probes.append(StubProbe(name, works, always=always))

    async def crash(self, task: Task, step: str) -> None:
        """Run a task in a handler that dies before `step`, if it comes that far."""
        with suppress(Killed):
            await self.transactions(failpoints=Deadly(f"before-{step}")).run(task)

    async def settle(self) -> None:
        """The next handler takes over."""
        assert (await self.transactions().recover()).succeeded

    def transactions(self, failpoints: Any = None) -> Transactions:
        """As a handler that has just started has them; `failpoints` as in the environment."""
        if isinstance(failpoints, str):
            failpoints = Failpoints.parse(failpoints)
        executor = Executor(
            self.host,
            lambda _: ProbeRunner(self.probes, clock=self.clock),
            self.journal,
            clock=self.clock,
            reader=self.reader,
            notify=lambda kind, note: self.notices.append((kind.reason, kind.warning)),
            network_changed=lambda: self.resets.append("reset"),
            boot=lambda: self.boot,
            now=lambda: self.host.clock,
        )
        return Transactions(executor, clock=self.clock, failpoints=failpoints)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(FakeHost(), tmp_path)
    made.host.clock = 1_000_000
    made.clock.also.append(lambda seconds: setattr(made.host, "clock", made.host.clock + round(seconds * 1000)))
    return made


@pytest.fixture
def loop_clock() -> LoopClock:
    return LoopClock()


@pytest.fixture
def task() -> Callable[..., Task]:
    def make(*interfaces: dict[str, Any], **changes: Any) -> Task:
        values: dict[str, Any] = {
            "transaction_id": "t1",
            "policy": "p1",
            "generation": 3,
            "desired": {"interfaces": list(interfaces)},
            "capture": {},
            "captured": {},
            "probes": ProbePlan(total_seconds=1.0),
        }
        return Task(**(values | changes))

    return make
