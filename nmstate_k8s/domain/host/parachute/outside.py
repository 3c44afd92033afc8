"""What lies outside NetworkManager's checkpoint, so that its rollback leaves it changed. Pure.

Measured for the name of the machine and for scripts; by libnmstate's source also alternative names of interfaces,
Open vSwitch's global settings and OVN's bridge mappings: it writes them beside NetworkManager, and has no way back.
Scripts are files, and put back as such (`parachute.copies`). What a NetworkManager that died left in the kernel is told
by `parachute.remains`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.host.parachute.remains import remains

__all__ = ["mending"]

_TABLES = ("external_ids", "other_config")


def mending(before: bytes, after: bytes, desired: bytes) -> dict[str, Any]:
    """What brings back what was there before a change to `desired`; empty where all of it is.

    Sections of a desired state, but for `alt-names`, `routes` and `route-rules`, which are to be put right in the
    kernel: a desired state would have profiles written anew, with libnmstate's own settings in them.
    """
    old, new = msgspec.json.decode(before), msgspec.json.decode(after)
    open_vswitch = "ovs-db" in old and "ovs-db" in new  # else it does not run, or did not
    parts = {
        "hostname": _hostname(old.get("hostname") or {}, new.get("hostname") or {}),
        "ovs-db": _database(old["ovs-db"], new["ovs-db"]) if open_vswitch else {},
        "ovn": _mappings(old.get("ovn") or {}, new.get("ovn") or {}) if open_vswitch else {},
        "alt-names": _names(old, new),
        **remains(old, new, msgspec.json.decode(desired or b"{}")),
    }
    return {key: part for key, part in parts.items() if part}


def _hostname(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {key: old[key] for key in ("config", "running") if old.get(key) is not None and old[key] != new.get(key)}


def _database(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for table in _TABLES:
        then, now = old.get(table) or {}, new.get(table) or {}
        if changed := {key: then.get(key) for key in sorted({*then, *now}) if then.get(key) != now.get(key)}:
            found[table] = changed
    return found


def _mappings(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    then = {entry["localnet"]: entry for entry in old.get("bridge-mappings") or []}
    now = {entry["localnet"]: entry for entry in new.get("bridge-mappings") or []}
    changed = [entry for name, entry in then.items() if now.get(name) != entry]
    gone = [{"localnet": name, "state": "absent"} for name in now if name not in then]
    return {"bridge-mappings": [*changed, *gone]} if changed or gone else {}


def _names(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, bool]]:
    """By interface: the names that it is to have, and not to have."""
    then = {entry.get("name"): entry for entry in old.get("interfaces") or []}
    found = {}
    for entry in new.get("interfaces") or []:
        if before := then.get(entry.get("name")):
            had, has = _alternatives(before), _alternatives(entry)
            found[entry["name"]] = {name: name in had for name in sorted(had ^ has)}
    return {interface: names for interface, names in found.items() if names}


def _alternatives(interface: Mapping[str, Any]) -> set[str]:
    return {entry["name"] for entry in interface.get("alt-names") or []}
