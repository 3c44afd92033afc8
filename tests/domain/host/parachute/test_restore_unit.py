"""The unit on the host: there while it may be needed, known to systemd, gone when nothing is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmstate_k8s.domain.desired.errors import HostUnavailable
from nmstate_k8s.domain.host.journal import Journal, Record
from nmstate_k8s.domain.host.parachute.unit import UNIT, RestoreUnit
from nmstate_k8s.testing.host import FakeHost

RECORD = Record(
    transaction="t",
    policy="p",
    generation=1,
    boot_id="b",
    networkmanager=":1.7",
    checkpoints_before=(),
    begun=0,
)
pytestmark = pytest.mark.asyncio


@pytest.fixture
def units(tmp_path: Path) -> Path:
    folder = tmp_path / "units"
    folder.mkdir()
    return folder


def left(units: Path) -> list[str]:
    return sorted(path.name for path in units.iterdir())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "k8s_nmstate" / "journal"


async def test_it_is_installed_once(units: Path, journal: Path) -> None:
    """systemd is made to read its units only where it does not know this one, or another text of it."""
    host = FakeHost()
    assert await RestoreUnit(host, journal, folder=units).install()
    text = (units / UNIT).read_text()
    assert f"ConditionPathExists={journal}/complete" in text
    assert f"ExecStart=/bin/sh {journal}/restore.sh" in text
    assert "Before=NetworkManager.service" in text
    assert "After=ovsdb-server.service" in text  # else NetworkManager leaves bridges of a change that was not kept
    assert (units / "NetworkManager.service.wants" / UNIT).resolve() == (units / UNIT).resolve()
    assert host.calls.count("reload_units") == 1
    assert await RestoreUnit(host, journal, folder=units).install()
    assert host.calls.count("reload_units") == 1
    (units / UNIT).write_text("of an older version")
    assert await RestoreUnit(host, journal, folder=units).install()
    assert host.calls.count("reload_units") == 2
    assert (units / UNIT).read_text() == text


async def test_it_stays_while_a_journal_is_open(units: Path, journal: Path) -> None:
    """A handler that stops in the middle leaves the node with its parachute."""
    unit = RestoreUnit(FakeHost(), journal, folder=units)
    await unit.install()
    Journal(journal, root=units, links=list).open(RECORD, b"{}", b"{}")
    assert not unit.removed()
    assert (units / UNIT).exists()
    Journal(journal).close()
    assert unit.removed()
    assert left(units) == []
    assert not unit.removed()


async def test_without_systemd_the_handler_says_so(units: Path, journal: Path) -> None:
    """It restores at its own start; nothing is left on the host that nobody reads."""
    host = FakeHost()
    host.fail("unit_wants", HostUnavailable("NetworkManagerUnavailable", "org.freedesktop.systemd1 is not there"))
    assert not await RestoreUnit(host, journal, folder=units).install()
    assert left(units) == []


async def test_tests_may_leave_it_out(units: Path, journal: Path) -> None:
    """To show what it is good for."""
    host = FakeHost()
    assert not await RestoreUnit(host, journal, folder=units, wanted=False).install()
    assert host.calls == []
