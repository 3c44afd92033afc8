"""What NetworkManager's rollback leaves changed, and the state that brings it back."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.host.disk import DiskRefused, refuse_bad_disks
from nmstate_k8s.domain.host.parachute.copies import OUTSIDE, copy_tree, differing, put_back
from nmstate_k8s.domain.host.parachute.facts import touched
from nmstate_k8s.domain.host.parachute.outside import mending


def mended(before: dict[str, Any], after: dict[str, Any], desired: dict[str, Any] | None = None) -> dict[str, Any]:
    return mending(*(msgspec.json.encode(state) for state in (before, after, desired or {})))


def test_names_mappings_and_global_settings_are_brought_back() -> None:
    """Changed ones to what they were, new ones away, lost ones again; and nothing else is named."""
    before = {
        "hostname": {"running": "n1", "config": "n1"},
        "ovs-db": {"external_ids": {"kept": "a", "changed": "b", "lost": "c"}, "other_config": {}},
        "ovn": {"bridge-mappings": [{"localnet": "net1", "bridge": "br1"}]},
        "interfaces": [{"name": "eth1", "type": "ethernet", "mtu": 1500, "alt-names": [{"name": "old"}]}],
    }
    after = {
        "hostname": {"running": "other", "config": "n1"},
        "ovs-db": {"external_ids": {"kept": "a", "changed": "x", "new": "y"}, "other_config": {"n": "1"}},
        "ovn": {"bridge-mappings": [{"localnet": "net1", "bridge": "br2"}, {"localnet": "net2", "bridge": "br1"}]},
        "interfaces": [
            {"name": "eth1", "type": "ethernet", "mtu": 9000, "alt-names": [{"name": "new"}]},
            {"name": "bond0", "type": "bond", "alt-names": [{"name": "b"}]},
        ],
    }
    assert mended(before, after) == {
        "hostname": {"running": "n1"},
        "ovs-db": {
            "external_ids": {"changed": "b", "lost": "c", "new": None},
            "other_config": {"n": None},
        },
        "ovn": {
            "bridge-mappings": [{"localnet": "net1", "bridge": "br1"}, {"localnet": "net2", "state": "absent"}],
        },
        "alt-names": {"eth1": {"old": True, "new": False}},
    }
    assert mended(before, before) == {}
    assert mended({}, {}) == {}


def test_scripts_and_link_files_are_put_back_and_profiles_left_to_networkmanager(tmp_path: Path) -> None:
    """Its rollback rewrites profiles in words of its own."""
    root, copies = tmp_path / "root", tmp_path / "copies"
    scripts, profiles = root / "etc/NetworkManager/dispatcher.d", root / "etc/NetworkManager/system-connections"
    for folder in (scripts, profiles, copies):
        folder.mkdir(parents=True)
    (scripts / "nmstate-eth1-up.sh").write_text("old")
    (profiles / "eth1").write_text("old")
    copy_tree(root, OUTSIDE, copies)
    (scripts / "nmstate-eth1-up.sh").write_text("new")
    (scripts / "nmstate-eth2-up.sh").write_text("new")
    (scripts / "an administrator's").write_text("new")
    (profiles / "eth1").write_text("new")
    put_back(root, differing(root, OUTSIDE, copies), copies)
    assert {path.name: path.read_text() for path in scripts.iterdir()} == {
        "nmstate-eth1-up.sh": "old",
        "an administrator's": "new",
    }
    assert (profiles / "eth1").read_text() == "new"
    assert differing(root, OUTSIDE, copies) == []


def test_all_interfaces_that_a_policy_names_are_known() -> None:
    """Also those that it names as ports, base or next hop; what cannot be one is left out."""
    desired = {
        "interfaces": [
            {"name": "bond0", "link-aggregation": {"port": ["eth1"]}, "description": "name"},
            {"name": "br1", "bridge": {"port": [{"name": "eth2"}, {"name": "a name that is too long"}]}},
            {"name": "eth3.7", "vlan": {"base-iface": "eth3"}},
            {"name": "v0", "veth": {"peer": "v1"}},
        ],
        "routes": {"config": [{"next-hop-interface": "eth0", "destination": "0.0.0.0/0"}]},
    }
    assert touched(desired) == {"bond0", "eth1", "br1", "eth2", "eth3.7", "eth3", "v0", "v1", "eth0"}
    assert touched(None) == set()


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"f_flag": os.ST_RDONLY}, "DiskReadOnly"),
        ({"f_bfree": 3}, "DiskFull"),
        ({"f_ffree": 3}, "DiskFull"),
        ({}, ""),
        ({"f_files": 0, "f_ffree": 0}, ""),
    ],
    ids=["read-only", "full", "no files", "well", "a file system that counts no files"],
)
def test_a_disk_that_would_not_take_a_change_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: dict[str, int], reason: str
) -> None:
    """Before anything is changed, in words that say what to do."""
    well = {"f_flag": 0, "f_bfree": 1 << 20, "f_frsize": 4096, "f_files": 1000, "f_ffree": 900}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**(well | seen)))
    if not reason:
        refuse_bad_disks(tmp_path, tmp_path)
        return
    with pytest.raises(DiskRefused, match=str(tmp_path)) as raised:
        refuse_bad_disks(tmp_path, tmp_path)
    assert raised.value.kind == reason
