"""Open vSwitch's global settings, which lie in its database and not in files: how `restore.sh` puts them back.

What a policy sets there is in force at the next boot, whether it was probed or not, and may cut a node off whose pod
network is OVN. The arguments of one call of `ovs-vsctl` are written down before the change, each ended by a NUL
(`xargs -0`), so that no key or value can be anything but a key or a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["openvswitch"]

_COLUMNS = ("external_ids", "other_config")
"""libnmstate's names and the database's are the same (ovs-vswitchd.conf.db(5), table Open_vSwitch)."""
_MAPPINGS = "ovn-bridge-mappings"
"""The external id under which OVN keeps them (ovn-controller(8)); libnmstate shows it in a section of its own."""


class _State(msgspec.Struct, rename="kebab", frozen=True):
    ovs_db: Any = None
    ovn: Any = None


def openvswitch(before: bytes, desired: Any) -> bytes:
    """The arguments that put back what a change from `before` to `desired` sets; empty if it sets nothing there."""
    if not isinstance(desired, Mapping) or desired.keys().isdisjoint({"ovs-db", "ovn"}):
        return b""
    state = msgspec.json.decode(before, type=_State)
    return b"".join(f"{argument}\0".encode() for command in _commands(state, desired) for argument in command)


def _commands(state: _State, desired: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    wanted = _mapping(desired.get("ovs-db"))
    for column in _COLUMNS if "ovs-db" in desired else ():
        if wanted and column not in wanted:
            continue
        had = {key: str(value) for key, value in _mapping(_mapping(state.ovs_db).get(column)).items()}
        # What is empty takes everything away (libnmstate, ovsdb/global_conf.rs).
        yield from _column(column, had, set(_mapping(wanted.get(column))) or set(had))
    if "bridge-mappings" in _mapping(desired.get("ovn")):
        yield from _column("external_ids", _mappings(_mapping(state.ovn).get("bridge-mappings")), {_MAPPINGS})


def _column(column: str, had: Mapping[str, str], touched: set[str]) -> Iterator[tuple[str, ...]]:
    """Keys that the change does not touch are left alone: others write there, too."""
    for key in sorted(touched):
        if key in had:
            yield "--", "set", "Open_vSwitch", ".", f"{column}:{json.dumps(key)}={json.dumps(had[key])}"
        else:
            yield "--", "remove", "Open_vSwitch", ".", column, json.dumps(key)


def _mappings(entries: Any) -> dict[str, str]:
    pairs = [f"{each['localnet']}:{each['bridge']}" for each in entries or () if {"localnet", "bridge"} <= each.keys()]
    return {_MAPPINGS: ",".join(pairs)} if pairs else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
