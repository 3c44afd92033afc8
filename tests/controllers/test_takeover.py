"""One handler a node: the lock, the recovery, and what waits for both."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.controllers.takeover import Afterwards, Takeover
from nmstate_k8s.domain.host.fault import Fault
from nmstate_k8s.domain.host.lock import NodeLock
from nmstate_k8s.domain.host.outcome import Outcome
from nmstate_k8s.testing.clock import LoopClock

pytestmark = pytest.mark.asyncio


class Recovery:
    """Recoveries that end as scripted."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)

    async def recover(self) -> Outcome:
        return self.outcomes.pop(0)


class Parachute:
    """Whether it is packed."""

    def __init__(self) -> None:
        self.installed = False

    async def install(self) -> bool:
        self.installed = True
        return True

    def removed(self) -> bool:
        self.installed = False
        return True


async def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    """The second waits, and gets it when the first is gone."""
    path = tmp_path / "state" / "handler_lock"
    first, second = NodeLock(path), NodeLock(path)
    await first.acquire()
    waiting = asyncio.ensure_future(second.acquire(retry_seconds=0.01))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    first.release()
    await asyncio.wait_for(waiting, 5)
    second.release()


@pytest.mark.looptime
async def test_nothing_runs_before_nothing_is_left_over(tmp_path: Path) -> None:
    """A recovery that fails is tried again; meanwhile the handler says why it is not ready."""
    recovery = Recovery(Outcome("r", fault=Fault("inspect", "x", "NetworkManager does not answer")), Outcome("r"))
    parachute = Parachute()
    takeover = Takeover(NodeLock(tmp_path / "lock"), recovery, parachute, clock=LoopClock())
    ran: list[Any] = []

    class Work:
        async def run(self) -> None:
            ran.append(takeover.problem())

    waiting = asyncio.ensure_future(Afterwards(takeover, Work()).run())
    taking = asyncio.ensure_future(takeover.run())
    await asyncio.sleep(1)
    assert takeover.problem() == "NetworkManager does not answer"
    assert ran == []
    await asyncio.gather(taking, waiting)
    assert ran == [""]
    assert parachute.installed
    takeover.release()
    assert not parachute.installed
