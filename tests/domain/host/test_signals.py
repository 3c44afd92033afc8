"""What NetworkManager says on a real bus reaches whoever reports: DNS and neighbours, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from nmstate_k8s.domain.desired.errors import HostUnavailable
from nmstate_k8s.domain.host.nmstate_binding import LibnmstateHost
from nmstate_k8s.domain.host.signals import SignalWatch
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.host import FakeHost
from tests.domain.host.busdouble import Talker, bus

NM = "org.freedesktop.NetworkManager"
DNS = ("/org/freedesktop/NetworkManager/DnsManager", f"{NM}.DnsManager")
DEVICE = ("/org/freedesktop/NetworkManager/Devices/3", f"{NM}.Device")


@pytest.fixture
def bus_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with bus(tmp_path) as path:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
        yield path


@pytest.mark.asyncio
async def test_dns_and_neighbours_are_heard_and_nothing_else(bus_path: Path) -> None:
    """In order: what is no news in between is passed over, and so is what another program says."""
    manager, other = Talker(bus_path, NM), Talker(bus_path, "org.example.Other")
    host = LibnmstateHost()
    async with asyncio.timeout(20), aclosing(host.signals()) as signals:
        assert await anext(signals) == "listening"
        other.changed(*DNS, {"Configuration": "x"})
        manager.changed(*DEVICE, {"State": "x"})
        manager.changed(*DNS, {"Configuration": "x"})
        assert await anext(signals) == "dns"
        manager.changed(*DEVICE, {"Ip4Connectivity": "x"})
        manager.changed(*DEVICE, {"Mtu": "x", "LldpNeighbors": "x"})
        assert await anext(signals) == "lldp"
    host.close()
    manager.close()
    other.close()


@pytest.mark.asyncio
async def test_who_stops_listening_ends_the_wait(bus_path: Path) -> None:
    """Nothing waits for ten minutes when a handler ends."""
    host = LibnmstateHost()
    signals = host.signals()
    async with asyncio.timeout(20):
        assert await anext(signals) == "listening"
        waiting = asyncio.ensure_future(anext(signals))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await signals.aclose()
        host.close()
        await asyncio.to_thread(host._ear.shutdown)


@pytest.mark.asyncio
async def test_a_bus_that_goes_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens until there is another one cannot be heard."""
    host = LibnmstateHost()
    async with asyncio.timeout(20):
        with bus(tmp_path) as path:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
            signals = host.signals()
            assert await anext(signals) == "listening"
            waiting = asyncio.ensure_future(anext(signals))
            await asyncio.sleep(0.05)
        with pytest.raises(HostUnavailable):
            await waiting
        with pytest.raises(HostUnavailable):
            await anext(host.signals())
    host.close()


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_signal_is_a_change() -> None:
    """Each; but that we listen at the start is none."""
    host, changes = FakeHost(), list[None]()
    watch = asyncio.ensure_future(SignalWatch(host.signals, lambda: changes.append(None), clock=LoopClock()).run())
    await asyncio.sleep(1)
    assert changes == []
    host.say("dns")
    host.say("lldp")
    await asyncio.sleep(1)
    assert len(changes) == 2
    watch.cancel()


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_bus_that_is_away_is_asked_seldom_and_its_return_is_a_change() -> None:
    """What was said meanwhile is not known. Until then the look of every minute sees it."""
    host, changes = FakeHost(), list[None]()
    away = HostUnavailable("NetworkManagerUnavailable", "the bus is away")
    host.fail("signals", away, away)
    watch = asyncio.ensure_future(SignalWatch(host.signals, lambda: changes.append(None), clock=LoopClock()).run())
    await asyncio.sleep(100)
    assert host.calls.count("signals") == 3
    assert len(changes) == 1
    host.fail("signals", *[away] * 1000)
    host.say(away)
    await asyncio.sleep(600)
    assert host.calls.count("signals") < 30
    watch.cancel()
