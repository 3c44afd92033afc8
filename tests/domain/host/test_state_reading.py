"""A transaction that begins during a look: whether it waits for a second one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.reading import StateReader
from nmstate_k8s.testing.host import FakeHost

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

LOOK_SECONDS = 4.0
"""As libnmstate needs for some hundred interfaces."""


class SlowHost(FakeHost):
    """One call at a time, as libnmstate; a look sees what is there when it begins, and takes long."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = asyncio.Lock()

    async def show(self) -> bytes:
        async with self._turn:
            seen = msgspec.json.encode(self.state)
            await asyncio.sleep(LOOK_SECONDS)
            self._called("show")
            return seen


class World:
    """A host, and who listens to it."""

    def __init__(self) -> None:
        self.host = SlowHost()
        self.heard: int | None = 0
        self.reader = StateReader(self.host, lambda: self.heard)

    def change(self, mtu: int) -> None:
        """The kernel's messages come at once."""
        interfaces = [{**entry, "mtu": mtu} for entry in self.host.state["interfaces"]]
        self.host.state = {**self.host.state, "interfaces": interfaces}
        if self.heard is not None:
            self.heard += 1


def mtu(state: bytes) -> int:
    return int(msgspec.json.decode(state)["interfaces"][0]["mtu"])


async def timed(reading: Any) -> tuple[bytes, float]:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    return await reading, loop.time() - begun


async def test_a_look_under_way_is_taken_where_nothing_has_changed() -> None:
    """The transaction waits for what is left of it, and libnmstate looks once."""
    world = World()
    world.change(1400)
    looking = asyncio.ensure_future(world.reader.look())
    await asyncio.sleep(3)
    state, waited = await timed(world.reader.read())
    assert waited == pytest.approx(LOOK_SECONDS - 3)
    assert state == await looking
    assert mtu(state) == 1400
    assert world.host.calls == ["show"]


@pytest.mark.parametrize("when", [1.0, 3.5], ids=["before it is asked for", "while it is waited for"])
async def test_a_look_that_may_have_missed_a_change_is_not_taken(when: float) -> None:
    """It has begun before: then as without it."""
    world = World()
    looking = asyncio.ensure_future(world.reader.look())
    asyncio.get_running_loop().call_later(when, world.change, 1400)
    await asyncio.sleep(3)
    state, waited = await timed(world.reader.read())
    assert mtu(state) == 1400
    assert mtu(await looking) == 1500
    assert waited == pytest.approx(LOOK_SECONDS - 3 + LOOK_SECONDS)


async def test_where_nobody_listens_nothing_is_shared() -> None:
    """At the start, or where the kernel's messages cannot be had."""
    world = World()
    world.heard = None
    looking = asyncio.ensure_future(world.reader.look())
    await asyncio.sleep(3)
    world.change(1400)
    assert mtu(await world.reader.read()) == 1400
    await looking


async def test_a_look_that_is_over_is_not_taken() -> None:
    """Whatever was heard: what was read is read anew before a change."""
    world = World()
    await world.reader.look()
    await world.reader.read()
    assert world.host.calls == ["show", "show"]


async def test_a_look_that_fails_is_made_again() -> None:
    """Its error was that of another call."""
    world = World()
    world.host.fail("show", HostError("Bug", "busy"))
    looking = asyncio.ensure_future(world.reader.look())
    await asyncio.sleep(1)
    assert mtu(await world.reader.read()) == 1500
    with pytest.raises(HostError):
        await looking


async def test_a_look_whose_reporter_is_gone_is_still_good(caplog: pytest.LogCaptureFixture) -> None:
    """Cancelling a reporter takes nothing from a transaction, and leaves no error that nobody has seen."""
    world = World()
    looking = asyncio.ensure_future(world.reader.look())
    await asyncio.sleep(1)
    reading = asyncio.ensure_future(world.reader.read())
    await asyncio.sleep(1)
    looking.cancel()
    assert mtu(await reading) == 1500
    assert world.host.calls == ["show"]
    world.host.fail("show", HostError("Bug", "busy"))
    looking = asyncio.ensure_future(world.reader.look())
    await asyncio.sleep(1)
    looking.cancel()
    await asyncio.sleep(LOOK_SECONDS)
    assert caplog.records == []


async def test_a_transaction_waits_no_longer_than_the_look(
    tmp_path: Path, task: Callable[..., Any], rig: Any, loop_clock: Any
) -> None:
    """Whole: from its beginning until it is told what to do, with the reader of a handler."""
    world = World()
    world.host.clock = 1_000_000
    rig.host, rig.clock, rig.reader = world.host, loop_clock, world.reader
    looking = asyncio.ensure_future(world.reader.look())
    await asyncio.sleep(1)
    outcome = await rig.transactions().run(task({"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1400}))
    assert outcome.succeeded
    assert outcome.timing["read"] == pytest.approx(LOOK_SECONDS - 1)
    assert world.host.calls.count("show") == 1
    await looking
