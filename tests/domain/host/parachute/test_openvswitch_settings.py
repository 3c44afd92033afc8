"""Open vSwitch's global settings come back with the node: by `ovs-vsctl`, whatever keys and values are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.host.parachute.openvswitch import openvswitch

_OVS_VSCTL = """#!/bin/sh
for argument; do printf '%s\\0' "$argument"; done >> "$NMSTATE_RESTORE_ROOT/ovs.log"
exit {status}
"""
BEFORE = {
    "ovs-db": {"external_ids": {"system-id": "a1", "odd=key": 'two\n"words"'}, "other_config": {}},
    "ovn": {"bridge-mappings": [{"localnet": "net1", "bridge": "br1"}, {"localnet": "net2", "bridge": "br2"}]},
}


def told(machine: Any) -> list[str]:
    """What `ovs-vsctl` was told."""
    log = machine.root / "ovs.log"
    return log.read_text().split("\0")[:-1] if log.exists() else []


def has_openvswitch(machine: Any, status: int = 0) -> None:
    """The host has the command."""
    machine.write("bin/ovs-vsctl", _OVS_VSCTL.format(status=status), 0o755)


@pytest.mark.parametrize("boot", ["boot-1", "boot-2"], ids=["within the same boot", "after a boot"])
def test_what_a_change_set_goes_and_what_was_there_is_set_again(machine: Any, boot: str) -> None:
    """In one transaction of the database, each key and value as it was, be they as odd as they like."""
    has_openvswitch(machine)
    machine.begin({"ovs-db": {"external_ids": {"new": "x", "odd=key": "y", "system-id": None}}}, **BEFORE)
    machine.boot(boot)
    assert machine.restore().returncode == 0
    assert told(machine) == [
        *("--no-wait", "--timeout=10"),
        *("--", "remove", "Open_vSwitch", ".", "external_ids", '"new"'),
        *("--", "set", "Open_vSwitch", ".", r'external_ids:"odd=key"="two\n\"words\""'),
        *("--", "set", "Open_vSwitch", ".", 'external_ids:"system-id"="a1"'),
    ]
    assert machine.journal.read() is None


def test_a_change_that_sets_nothing_there_does_not_ask(machine: Any) -> None:
    """A database that somebody else writes to is left alone."""
    has_openvswitch(machine)
    machine.begin({"interfaces": [{"name": "eth1"}]}, **BEFORE)
    assert machine.restore().returncode == 0
    assert told(machine) == []


@pytest.mark.parametrize("there", [True, False], ids=["it does not answer", "it runs in a pod"])
def test_a_database_that_cannot_be_reached_keeps_nothing_else_back(machine: Any, there: bool) -> None:
    """Files come back, the journal is handed on to the next handler, which has the states."""
    if there:
        has_openvswitch(machine, status=1)
    machine.profile("eth0", "eth0")
    before = machine.files()
    machine.begin({"ovs-db": {"other_config": {"hw-offload": "true"}}}, **BEFORE)
    machine.profile("eth0", "eth0", "untested\n")
    machine.boot("boot-2")
    done = machine.restore()
    assert done.returncode == 0, done.stderr
    assert ("could not be put back" in done.stderr) == there
    assert machine.files() == before
    assert machine.journal.interrupted() is not None


def test_mappings_of_ovn_are_one_external_id() -> None:
    """All of them, or none where there were none."""
    encoded, wanted = msgspec.json.encode(BEFORE), {"ovn": {"bridge-mappings": [{"localnet": "n", "bridge": "b"}]}}
    set_again = b'--\0set\0Open_vSwitch\0.\0external_ids:"ovn-bridge-mappings"="net1:br1,net2:br2"\0'
    assert openvswitch(encoded, wanted) == set_again
    assert openvswitch(b"{}", wanted) == b'--\0remove\0Open_vSwitch\0.\0external_ids\0"ovn-bridge-mappings"\0'


def test_what_others_write_there_meanwhile_is_left_alone() -> None:
    """Only keys that the change names are put back, in the column that it names."""
    before = {"ovs-db": {"external_ids": {"ours": "1", "theirs": "1"}, "other_config": {"theirs": "1"}}}
    arguments = openvswitch(msgspec.json.encode(before), {"ovs-db": {"external_ids": {"ours": "2"}}})
    assert arguments == b'--\0set\0Open_vSwitch\0.\0external_ids:"ours"="1"\0'


@pytest.mark.parametrize(
    ("desired", "keys"),
    [
        ({}, 0),
        ([], 0),
        ({"ovn": {}}, 0),
        ({"ovs-db": {}}, 2),
        ({"ovs-db": None}, 2),
        ({"ovs-db": {"external_ids": {}}}, 2),
        ({"ovs-db": {"external_ids": 1}}, 2),
        ({"ovs-db": {"other_config": 1}}, 0),
    ],
)
def test_any_shape_of_a_desired_state_is_read(desired: Any, keys: int) -> None:
    """The journal must not fail for what libnmstate would refuse; an empty section or column takes everything away."""
    assert openvswitch(msgspec.json.encode(BEFORE), desired).count(b"--\0set\0") == keys
