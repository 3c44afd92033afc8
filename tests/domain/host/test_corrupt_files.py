"""Files of the handler's own folder that cannot be read: set aside, told, and no reason to do nothing for ever."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import structlog

from nmstate_k8s.domain.desired.errors import HostError, HostUnavailable
from nmstate_k8s.domain.host.interruption import outcome_of
from nmstate_k8s.domain.host.outcome import message

pytestmark = pytest.mark.asyncio

MTU: dict[str, Any] = {"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1400}
CORRUPT = pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty, as after a power cut"),
        pytest.param(b"\0" * 512, id="zeros"),
        pytest.param(b'{"before": {"interfaces": [', id="torn"),
        pytest.param(b"\xff\xfe\x80", id="no text"),
        pytest.param(b'{"before": 3, "desired": null}', id="something else"),
        pytest.param(None, id="gone"),
    ],
)


def corrupt(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@CORRUPT
async def test_a_checkpoint_is_rolled_back_without_the_states(rig: Any, task: Any, content: bytes | None) -> None:
    """It is NetworkManager's memory that counts; the attempt is told, and the next one begins."""
    before = copy.deepcopy(rig.host.state)
    await rig.crash(task(MTU), "commit")
    corrupt(rig.folder / "journal/states.json", content)
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert rig.host.state == before
    assert rig.host.checkpoints == []
    assert "restart_networkmanager" not in rig.host.calls
    assert rig.journal.read() is None
    interrupted = transactions.interrupted("t1")
    assert interrupted is not None
    assert interrupted.why == "handler"
    if content is not None:
        assert (rig.folder / "states.json.unreadable").read_bytes() == content
    assert (await transactions.run(task(MTU))).succeeded


async def test_what_is_set_aside_is_told_in_one_sentence(rig: Any, task: Any) -> None:
    """With the name under which it is kept."""
    await rig.crash(task(MTU), "commit")
    corrupt(rig.folder / "journal/states.json", b"")
    with structlog.testing.capture_logs() as lines:
        await rig.settle()
    errors = [line for line in lines if line["log_level"] == "error"]
    assert len(errors) == 1
    assert errors[0]["event"] == "a file of the handler cannot be read and is kept aside"
    assert errors[0]["kept_as"] == str(rig.folder / "states.json.unreadable")


@CORRUPT
async def test_without_checkpoint_and_states_the_restore_unit_puts_the_node_back(
    rig: Any, task: Any, content: bytes | None
) -> None:
    """Nobody can tell whether it was committed: then as before, from files that are no part of the corrupt one."""
    before = copy.deepcopy(rig.host.state)
    await rig.crash(task(MTU), "sync")
    assert rig.host.checkpoints == []
    rig.host.started = lambda: _restore(rig, before)
    corrupt(rig.folder / "journal/states.json", content)
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert rig.host.state == before
    assert rig.journal.read() is None
    assert transactions.interrupted("t1") is not None


def _restore(rig: Any, before: Any) -> None:
    """restore.sh reads no states."""
    rig.host.state = copy.deepcopy(before)
    for mark in ("restoring", "restored"):
        (rig.folder / "journal" / mark).write_text("nm-restart\n")


async def test_where_no_way_back_is_left_the_handler_goes_on_and_says_so(rig: Any, task: Any) -> None:
    """No checkpoint, no states, no systemd: nothing to wait for. The attempt has failed, and counts."""
    rig.parachute = False
    await rig.crash(task(MTU), "sync")
    corrupt(rig.folder / "journal/states.json", b"")
    rig.host.fail("restart_networkmanager", HostError("Bug", "there is no systemd"))
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert rig.journal.read() is None
    assert rig.host.calls.count("restart_networkmanager") == 1
    interrupted = transactions.interrupted("t1")
    assert interrupted is not None
    outcome = outcome_of(interrupted)
    assert outcome.fault is not None
    assert "cannot be read" in message("n1", outcome)
    assert "not known" in message("n1", outcome)


async def test_a_networkmanager_that_starts_is_waited_for_before_giving_up(rig: Any, task: Any) -> None:
    """What passes by itself is no reason to leave an untested network active."""
    before = copy.deepcopy(rig.host.state)
    await rig.crash(task(MTU), "sync")
    rig.host.started = lambda: _restore(rig, before)
    corrupt(rig.folder / "journal/states.json", b"")
    away = [HostUnavailable("NetworkManagerUnavailable", "does not answer")] * 3
    rig.host.fail("restart_networkmanager", *away)
    await rig.settle()
    assert rig.host.state == before


@CORRUPT
async def test_a_record_that_cannot_be_read_counts_as_a_failed_attempt(
    rig: Any, task: Any, content: bytes | None
) -> None:
    """Whose change it was is not known: it is that of the enactment that says Progressing, once."""
    await rig.crash(task(MTU), "commit")
    corrupt(rig.folder / "journal/transaction.json", content)
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert rig.journal.read() is None
    assert (rig.folder / "journal.unreadable/states.json").exists()
    interrupted = transactions.interrupted("t1")
    assert interrupted is not None
    assert interrupted.transaction == "t1"
    await transactions.told("t1")
    assert transactions.interrupted("t2") is None


@CORRUPT
async def test_the_checkpoint_of_a_lost_record_is_rolled_back_before_the_next_change(
    rig: Any, task: Any, content: bytes | None
) -> None:
    """As a foreign one: by its own timeout, and never committed by the next transaction."""
    before = copy.deepcopy(rig.host.state)
    await rig.crash(task(MTU), "commit")
    corrupt(rig.folder / "journal/transaction.json", content)
    seen: list[Any] = []
    rig.host.on("commit", lambda: seen.append(len(rig.host.checkpoints)))
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert (await transactions.run(task({**MTU, "mtu": 1300}))).succeeded
    assert ("ForeignCheckpointRolledBack", True) in rig.notices
    assert seen == [1]
    assert rig.host.state != before


@CORRUPT
@pytest.mark.parametrize("name", ["transaction.json", "states.json", "restored"])
async def test_what_the_restore_unit_left_may_be_corrupt(rig: Any, task: Any, name: str, content: bytes | None) -> None:
    """The node was put back before; that it was, is told all the same."""
    before = copy.deepcopy(rig.host.state)
    await rig.crash(task(MTU), "commit")
    rig.cut_power()
    corrupt(rig.folder / "restored" / name, content)
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert rig.host.state == before
    assert transactions.interrupted("t1") is not None
    await transactions.told("t1")
    assert not (rig.folder / "restored").exists()
    assert (await transactions.run(task(MTU))).succeeded


@pytest.mark.parametrize("name", ["journal", "restored", "journal.tmp", "journal.closing", "journal.unreadable"])
async def test_a_file_in_the_place_of_a_folder_stops_nothing(rig: Any, task: Any, name: str) -> None:
    """A file system's repair may leave anything; an earlier one that was set aside makes room for a later one."""
    (rig.folder / name).write_text("no folder")
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert (await transactions.run(task(MTU))).succeeded
    assert rig.journal.read() is None
    (rig.folder / "journal").mkdir()
    assert (await transactions.recover()).succeeded
    assert (rig.folder / "journal.unreadable").is_dir()


async def test_folders_in_the_place_of_files_stop_nothing(rig: Any, task: Any) -> None:
    """The same, the other way round."""
    await rig.crash(task(MTU), "commit")
    for name in ("transaction.json", "states.json"):
        (rig.folder / "journal" / name).unlink()
        (rig.folder / "journal" / name).mkdir()
    await rig.settle()
    assert rig.journal.read() is None


async def test_where_the_copies_are_gone_no_file_is_taken_for_new(rig: Any, task: Any) -> None:
    """A script of which the journal has no copy was made by the change; without any copies nothing is known."""
    script = rig.folder / "root/etc/NetworkManager/dispatcher.d/nmstate-eth1-up.sh"
    script.parent.mkdir(parents=True)
    script.write_text("true")
    await rig.crash(task(MTU), "commit")
    shutil.rmtree(rig.folder / "journal/files")
    transactions = rig.transactions()
    await transactions.recover()
    assert (await transactions.recover()).succeeded
    assert rig.journal.read() is None
    assert script.exists()


async def test_a_whole_journal_gone_while_it_is_read_is_none(rig: Any, task: Any) -> None:
    """The script's rename and our look cross."""
    await rig.crash(task(MTU), "journal")
    shutil.rmtree(rig.folder / "journal", ignore_errors=True)
    await rig.settle()
