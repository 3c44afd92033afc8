"""Crashes on a fake host: of the handler, of NetworkManager, of the machine, between any two steps."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from nmstate_k8s.domain.desired.errors import HostError, HostUnavailable
from nmstate_k8s.domain.host.outcome import message

MTU: dict[str, Any] = {"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1400}
FORWARD = ["read", "prepare", "inspect", "journal", "apply", "locate", "note", "probe", "check"]
FORWARD += ["commit", "sync", "close"]
BACK = ["find", "back", "files", "reprobe", "compare", "flush", "shut"]
POLICIES = pytest.mark.parametrize("good", [True, False], ids=["good policy", "policy that breaks a probe"])
STEPS = pytest.mark.parametrize("step", FORWARD + BACK)


def mtu(host: Any) -> int:
    return next(entry["mtu"] for entry in host.state["interfaces"] if entry["name"] == "eth1")


@pytest.mark.asyncio
@STEPS
@POLICIES
async def test_an_error_at_any_step_ends_as_before_or_as_desired(rig: Any, task: Any, step: str, good: bool) -> None:
    """Never in between: with a fault before the commit the node is as it was; without one it is as desired."""
    before = copy.deepcopy(rig.host.state)
    rig.probe("ping", lambda: good or mtu(rig.host) == 1500)
    outcome = await rig.transactions(f"before-{step}=error").run(task(MTU))
    if outcome.succeeded or outcome.kept:
        assert good
        assert mtu(rig.host) == 1400
    else:
        await rig.settle()
        assert rig.host.state == before
    assert rig.host.checkpoints == []


@pytest.mark.asyncio
@STEPS
@POLICIES
async def test_a_crash_between_any_two_steps_ends_as_before_or_as_desired(
    rig: Any, task: Any, step: str, good: bool
) -> None:
    """The next handler's recovery takes back exactly what was left, and a second attempt ends truly."""
    before = copy.deepcopy(rig.host.state)
    rig.probe("ping", lambda: good or mtu(rig.host) == 1500)
    await rig.crash(task(MTU), step)
    await rig.settle()
    assert rig.host.state == before or (good and mtu(rig.host) == 1400)
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.succeeded == good
    assert mtu(rig.host) == (1400 if good else 1500)
    assert rig.host.checkpoints == []
    assert rig.journal.read() is None


@pytest.mark.asyncio
@STEPS
@POLICIES
async def test_power_cut_between_any_two_steps_ends_as_before_or_as_desired(
    rig: Any, task: Any, step: str, good: bool
) -> None:
    """After the boot the node is as before or as desired and probed, no journal is open, and it is told."""
    before = copy.deepcopy(rig.host.state)
    rig.probe("ping", lambda: good or mtu(rig.host) == 1500)
    await rig.crash(task(MTU), step)
    was_open = rig.journal.read() is not None
    rig.cut_power()
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert rig.journal.read() is None
    interrupted = transactions.interrupted("t1")
    assert (interrupted is not None) == was_open
    if interrupted:
        assert interrupted.why == "boot"
        assert rig.host.state == before
        assert rig.transactions().interrupted("t1") is None, "known from the recovery on"
        await transactions.told("t1")
    assert rig.host.state == before or (good and mtu(rig.host) == 1400)
    assert rig.journal.interrupted() is None


@pytest.mark.asyncio
@pytest.mark.parametrize("step", ["probe", "check", "commit", "close"])
async def test_a_restarted_networkmanager_is_never_committed_to(rig: Any, task: Any, step: str) -> None:
    """Whenever it starts anew under a change, the node is put back, and the outcome says so."""
    before = copy.deepcopy(rig.host.state)
    when = {"probe": "apply", "check": "networkmanager", "commit": "commit", "close": "commit"}[step]
    rig.host.on(when, rig.host.crash_networkmanager if step != "check" else _third(rig.host.crash_networkmanager))
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.fault is not None
    assert not outcome.kept
    assert rig.host.state == before
    assert rig.journal.read() is None
    assert "restart_networkmanager" in rig.host.calls
    assert "put back by a restart of NetworkManager" in message("n1", outcome)


def _third(action: Any) -> Any:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        if len(calls) == 3:
            action()

    return call


@pytest.mark.asyncio
async def test_networkmanager_that_starts_after_the_commit_puts_the_node_back(rig: Any, task: Any) -> None:
    """Committed, but the journal was still there when it started: not Available."""
    before = copy.deepcopy(rig.host.state)

    class Starts:
        async def reach(self, name: str) -> bool:
            if name == "before-close":
                rig.host.crash_networkmanager()
            return False

    outcome = await rig.transactions(failpoints=Starts()).run(task(MTU))
    assert outcome.fault is not None
    assert outcome.fault.reason == "NetworkManagerRestarted"
    assert rig.host.state == before
    assert rig.journal.read() is None


@pytest.mark.asyncio
async def test_without_a_restore_unit_libnmstate_takes_the_change_back(rig: Any, task: Any) -> None:
    """No systemd, or a unit that did not run: the restart alone proves nothing."""
    before = copy.deepcopy(rig.host.state)
    rig.parachute = False
    rig.host.on("apply", rig.host.crash_networkmanager)
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.fault is not None
    assert "restore unit did not run" in outcome.fault.details
    assert "revert" in rig.host.calls
    assert rig.host.state == before
    assert rig.journal.read() is None


@pytest.mark.asyncio
async def test_a_handler_without_systemd_takes_back_what_a_power_cut_left(rig: Any, task: Any) -> None:
    """At its own start, and tells it."""
    before = copy.deepcopy(rig.host.state)
    rig.parachute = False
    await rig.crash(task(MTU), "commit")
    rig.cut_power()
    assert mtu(rig.host) == 1400
    transactions = rig.transactions()
    await transactions.recover()
    assert rig.host.state == before
    found = transactions.interrupted("t1")
    assert found is not None
    assert found.why == "boot"


@pytest.mark.asyncio
@pytest.mark.parametrize("works", [True, False])
async def test_what_was_committed_but_not_closed_is_kept_only_if_it_works(rig: Any, task: Any, works: bool) -> None:
    """It was probed before it was committed, and is probed again: nobody knows what happened since."""
    rig.probe("ping", lambda: works or mtu(rig.host) == 1500)
    rig.probes[0].works = lambda: True
    await rig.crash(task(MTU), "sync")
    rig.probes[0].works = lambda: works or mtu(rig.host) == 1500
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert mtu(rig.host) == (1400 if works else 1500)
    assert (transactions.interrupted("t1") is None) == works
    assert rig.journal.read() is None


@pytest.mark.asyncio
async def test_recovery_leaves_a_foreign_checkpoint_alone(rig: Any, task: Any) -> None:
    """Made by somebody after our crash, when ours was gone: not ours, not touched."""
    await rig.crash(task(MTU), "probe")
    rig.host._take_back(rig.host.checkpoints[0].path)
    foreign = rig.host.foreign_checkpoint(0)
    assert (await rig.transactions().recover()).succeeded
    assert [checkpoint.path for checkpoint in rig.host.checkpoints] == [foreign]


@pytest.mark.asyncio
@pytest.mark.parametrize("change", ["boot", "networkmanager"])
async def test_recovery_trusts_no_path_of_another_boot_or_networkmanager(rig: Any, task: Any, change: str) -> None:
    """Paths count from 1 again: the same path is then somebody else's checkpoint."""
    await rig.crash(task(MTU), "probe")
    if change == "boot":
        rig.boot = "boot-2"
    rig.host.crash_networkmanager()
    rig.host.foreign_checkpoint(0)
    assert (await rig.transactions().recover()).succeeded
    assert "rollback" not in rig.host.calls


@pytest.mark.asyncio
async def test_recovery_without_networkmanager_says_that_it_is_not_done(rig: Any, task: Any) -> None:
    """Whoever called it tries again. Where nothing is open nobody needs NetworkManager."""
    assert (await rig.transactions().recover()).succeeded
    assert "networkmanager" not in rig.host.calls
    await rig.crash(task(MTU), "commit")
    rig.host.fail("networkmanager", HostUnavailable("NetworkManagerUnavailable", "does not answer"))
    assert (await rig.transactions().recover()).fault is not None
    assert (await rig.transactions().recover()).succeeded


@pytest.mark.asyncio
async def test_a_way_back_that_stays_closed_keeps_the_journal(rig: Any, task: Any) -> None:
    """The next handler goes on from it: nothing untested is forgotten."""
    before = copy.deepcopy(rig.host.state)
    rig.probe("ping", lambda: mtu(rig.host) == 1500)
    for call, times in {"rollback": 5, "restart_networkmanager": 1, "restore": 1}.items():
        rig.host.fail(call, *(HostError("Bug", "busy") for _ in range(times)))
    outcome = await rig.transactions().run(task(MTU))
    assert outcome.stuck
    assert "the rollback failed and will be tried again" in message("n1", outcome)
    assert rig.journal.read() is not None
    await rig.settle()
    assert rig.host.state == before


@pytest.mark.asyncio
async def test_what_the_restore_unit_cannot_reach_is_put_back_by_the_next_handler(rig: Any, task: Any) -> None:
    """Open vSwitch keeps its settings in a database of its own, on the disk."""
    rig.host.state["ovs-db"] = {"external_ids": {"a": "old"}, "other_config": {}}
    await rig.crash(task(MTU), "commit")
    rig.cut_power()
    rig.host.state["ovs-db"] = {"external_ids": {"a": "new", "b": "new"}, "other_config": {}}
    transactions = rig.transactions()
    assert (await transactions.recover()).succeeded
    assert rig.host.state["ovs-db"] == {"external_ids": {"a": "old", "b": None}}
    assert transactions.interrupted("t1") is not None
