"""The node's transaction on a fake host: every path through the table, and a crash between any two steps."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from nmstate_k8s.domain.desired.errors import HostError, HostUnavailable
from nmstate_k8s.domain.host.journal import Record
from nmstate_k8s.domain.host.outcome import message
from nmstate_k8s.domain.host.protocol import Checkpoint, NetworkManager

MTU: dict[str, Any] = {"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1400}


def mtu(host: Any) -> int:
    return next(entry["mtu"] for entry in host.state["interfaces"] if entry["name"] == "eth1")


@pytest.mark.asyncio
async def test_a_good_policy_is_applied_probed_and_committed(rig: Any, task: Any) -> None:
    """After success the node is as desired, without checkpoint and without journal."""
    rig.probe("ping", lambda: True)
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.succeeded, outcome.fault
    assert mtu(rig.host) == 1400
    assert rig.host.checkpoints == []
    assert rig.journal.read() is None
    assert [(probe.name, probe.result) for probe in outcome.probes] == [("ping", "Passed")]
    assert rig.resets == ["reset"]
    assert {"read", "prepare", "apply", "probe", "commit"} <= set(outcome.timing)


@pytest.mark.asyncio
async def test_what_has_no_effect_touches_nothing(rig: Any, task: Any) -> None:
    """Without a difference there is no checkpoint, no journal and no probe."""
    outcome = await rig.transactions().run(task({**MTU, "mtu": 1500}))
    assert outcome.succeeded
    assert not outcome.touched
    assert "apply" not in rig.host.calls
    assert "networkmanager" not in rig.host.calls
    assert not (rig.folder / "journal").exists()


@pytest.mark.asyncio
async def test_an_empty_state_succeeds(rig: Any, task: Any) -> None:
    """The contract ignores an empty desiredState."""
    assert (await rig.transactions().run(task(desired={}))).succeeded
    assert (await rig.transactions().run(task(desired=None))).succeeded


@pytest.mark.asyncio
async def test_a_failed_probe_takes_everything_back(rig: Any, task: Any) -> None:
    """A policy that breaks a probe leaves the node as it was, and the message names the probe."""
    before = copy.deepcopy(rig.host.state)
    rig.probe("ping", lambda: mtu(rig.host) == 1500)
    rig.probe("dns", lambda: False)
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.fault is not None
    assert rig.host.state == before
    assert rig.host.checkpoints == []
    assert rig.journal.read() is None
    text = message("worker-1", outcome)
    assert text.startswith("Error: node worker-1: probe failed: ping: no answer")
    assert "rolled back in" in text
    told = [(probe.name, probe.result) for probe in outcome.probes]
    assert told == [("ping", "Failed"), ("dns", "Skipped")], "dns did not work before and is not missed"


@pytest.mark.asyncio
async def test_a_probe_that_still_fails_after_the_rollback_is_named(rig: Any, task: Any) -> None:
    """The message tells that the way back did not mend it."""
    broken: list[bool] = []
    rig.probe("ping", lambda: not broken)
    rig.host.on("apply", lambda: broken.append(True))
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.stranded == ("ping",)
    assert "but ping still fails" in message("n", outcome)


@pytest.mark.asyncio
async def test_what_a_networkmanager_that_died_leaves_is_taken_out_and_probed_again(rig: Any, task: Any) -> None:
    """A route that drops all is in the way of the probes, and neither rollback nor restart takes it away."""
    hole = {"destination": "0.0.0.0/0", "route-type": "blackhole", "metric": "5"}
    left = {**hole, "metric": 5, "table-id": 254}

    before = copy.deepcopy(rig.host.state)
    restore = rig.host.started

    def start() -> None:
        restore()
        running = [*before["routes"]["running"], left]
        rig.host.state = {**rig.host.state, "routes": {**before["routes"], "running": running}}

    rig.host.started = start
    rig.host.on("apply", rig.host.crash_networkmanager)
    rig.probe("ping", lambda: left not in rig.host.state["routes"]["running"])
    outcome = await rig.transactions().run(task(desired={"interfaces": [MTU], "routes": {"config": [hole]}}))
    assert outcome.fault is not None
    assert (outcome.stranded, outcome.unlike, outcome.stuck) == ((), (), False)
    assert rig.host.state == before
    assert rig.journal.read() is None
    assert rig.host.calls.count("take_out") == 1


@pytest.mark.asyncio
async def test_a_missing_interface_changes_nothing(rig: Any, task: Any) -> None:
    """eth666: refused before anything is changed, and what there is instead is named."""
    outcome = await rig.transactions().run(task({"name": "eth666", "type": "ethernet", "state": "up"}))
    assert "apply" not in rig.host.calls
    assert outcome.fault is not None
    assert outcome.fault.interface == "eth666"
    assert message("n1", outcome) == (
        "Error: node n1: apply refused: interface eth666 does not exist (there are eth0, eth1); nothing was changed"
    )


@pytest.mark.asyncio
async def test_an_apply_that_fails_is_compared_with_the_state_before(rig: Any, task: Any) -> None:
    """libnmstate rolls back by itself; the journal is closed."""
    rig.host.fail("apply", HostError("VerificationError", "eth1 mtu is 1500", ["info nm: Created checkpoint"]))
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.fault is not None
    assert (outcome.fault.stage, outcome.fault.reason) == ("apply", "VerificationError")
    assert "Created checkpoint" in outcome.fault.details
    assert outcome.unlike == ()
    assert rig.journal.read() is None


@pytest.mark.asyncio
async def test_a_checkpoint_lost_during_the_probes_is_never_committed(rig: Any, task: Any) -> None:
    """NetworkManager took it back itself: the commit is refused, the comparison tells that the node is as before."""
    before = copy.deepcopy(rig.host.state)

    def lose() -> bool:
        for checkpoint in list(rig.host.checkpoints):
            rig.host._take_back(checkpoint.path)
        return True

    rig.probe("ping", lose)
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.fault is not None
    assert outcome.fault.reason == "CheckpointLost"
    assert rig.host.state == before
    assert outcome.unlike == ()


@pytest.mark.asyncio
async def test_a_foreign_checkpoint_is_waited_for_until_its_timeout(rig: Any, task: Any) -> None:
    """Ours begins when NetworkManager has taken the other one back itself; nobody else touches it."""
    path = rig.host.foreign_checkpoint(30)
    rig.clock.also.append(lambda _: rig.host._forget(path) if rig.clock.time > 1_030 else None)
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.succeeded
    assert "rollback" not in rig.host.calls
    assert rig.notices == [("ForeignCheckpoint", False)]
    assert 1_028 < rig.clock.time < 1_036


@pytest.mark.asyncio
async def test_a_foreign_checkpoint_without_timeout_is_rolled_back_after_a_minute(rig: Any, task: Any) -> None:
    """With a warning, and not before."""
    rig.host.foreign_checkpoint(0)
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.succeeded
    assert rig.host.calls.count("rollback") == 1
    assert rig.notices == [("ForeignCheckpoint", False), ("ForeignCheckpointRolledBack", True)]
    assert 1_058 < rig.clock.time < 1_064


@pytest.mark.asyncio
async def test_networkmanager_away_for_a_moment_is_waited_for(rig: Any, task: Any) -> None:
    """A restart takes seconds: no reason to count an attempt as failed."""
    rig.host.fail("networkmanager", HostUnavailable("NetworkManagerUnavailable", "does not answer"))
    assert (await rig.transactions().run(task(MTU))).succeeded
    assert 1_001 < rig.clock.time < 1_005


@pytest.mark.asyncio
async def test_networkmanager_away_for_long_is_refused_before_anything_is_changed(rig: Any, task: Any) -> None:
    """Refused at the inspection, and worth another attempt."""
    away = HostUnavailable("NetworkManagerUnavailable", "does not answer")
    rig.host.fail("networkmanager", *(away for _ in range(20)))
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.fault is not None
    assert (outcome.fault.stage, outcome.fault.lasting) == ("inspect", False)
    assert not outcome.touched


@pytest.mark.asyncio
async def test_a_disk_that_takes_no_journal_is_refused(rig: Any, task: Any) -> None:
    """Nothing is changed on a node whose journal cannot be written."""
    rig.folder = rig.folder / "file"
    rig.folder.write_text("a file where the handler's folder should be")
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.fault is not None
    assert "apply" not in rig.host.calls


@pytest.mark.asyncio
async def test_cancelling_who_waits_does_not_break_a_transaction_off(rig: Any, task: Any) -> None:
    """SIGTERM cancels the reconcile; the transaction ends all the same, and `wait_idle` waits for it."""
    gate = asyncio.Event()
    transactions = rig.transactions("before-commit=delay:0.05")
    rig.host.on("apply", gate.set)
    waiting = asyncio.ensure_future(transactions.run(task(MTU)))
    await gate.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await transactions.wait_idle()
    assert "commit" in rig.host.calls
    assert rig.host.checkpoints == []


@pytest.mark.asyncio
async def test_captures_of_an_earlier_attempt_are_used_again(rig: Any, task: Any) -> None:
    """A re-run of the same generation sees the same captured state."""
    capture = {"base": 'interfaces.name=="eth1"'}
    first = await rig.transactions().run(task(MTU, capture=capture))
    assert first.prepared is not None
    assert set(first.prepared.captured) == {"base"}
    again = await rig.transactions().run(task({**MTU, "mtu": 1300}, capture=capture, captured=first.prepared.captured))
    assert again.prepared is not None
    assert again.prepared.captured == first.prepared.captured
    assert rig.host.calls.count("captures") == 1


@pytest.mark.asyncio
async def test_holds_tells_without_touching(rig: Any, task: Any) -> None:
    """Whether the node is as desired, or cannot be seen to be."""
    transactions = rig.transactions()
    assert await transactions.holds(task({**MTU, "mtu": 1500}))
    assert not await transactions.holds(task(MTU))
    rig.host.fail("show", HostError("Bug", "no"))
    assert not await transactions.holds(task({**MTU, "mtu": 1500}))
    assert "apply" not in rig.host.calls


def test_a_record_knows_its_own_checkpoint_only() -> None:
    """What was there before, or is older than the transaction, is not ours."""
    record = Record(
        transaction="t",
        policy="p",
        generation=1,
        boot_id="b",
        networkmanager=":1.7",
        checkpoints_before=("/1",),
        begun=500,
    )

    def left_over(*checkpoints: Checkpoint) -> str:
        return record.left_over(NetworkManager(":1.7", "1.52", checkpoints), "b")

    assert left_over(Checkpoint("/1", 600, (), 60)) == ""
    assert left_over(Checkpoint("/2", 400, (), 60)) == ""
    assert left_over(Checkpoint("/1", 100, (), 60), Checkpoint("/2", 600, (), 60)) == "/2"
