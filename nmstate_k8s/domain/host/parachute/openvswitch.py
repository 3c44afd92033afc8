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


def openvswitch(before: bytes, desired: Any) -> bytes:
    """The arguments that put back what a change from `before` to `desired` sets; empty if it sets nothing there."""
    state = msgspec.json.decode(before)
    return b"".join(f"{argument}\0".encode() for command in _commands(state, desired) for argument in command)


def _commands(state: Any, desired: Any) -> Iterator[tuple[str, ...]]:
    wanted, known = _section(desired, "ovs-db"), _section(state, "ovs-db")
    for column in _COLUMNS if isinstance(desired, Mapping) and "ovs-db" in desired else ():
        had = {key: str(value) for key, value in _section(known, column).items() if value is not None}
        yield from _column(column, had, {str(key) for key in _section(wanted, column)})
    if "bridge-mappings" in _section(desired, "ovn"):
        had = _mappings(_section(state, "ovn").get("bridge-mappings"))
        yield from _column("external_ids", had, {_MAPPINGS})


def _column(column: str, had: Mapping[str, str], named: set[str]) -> Iterator[tuple[str, ...]]:
    """All that was there is set again, as an empty section takes everything away; what is new goes."""
    for key in sorted(named - had.keys()):
        yield "--", "remove", "Open_vSwitch", ".", column, json.dumps(key)
    for key, value in sorted(had.items()):
        yield "--", "set", "Open_vSwitch", ".", f"{column}:{json.dumps(key)}={json.dumps(value)}"


def _mappings(entries: Any) -> dict[str, str]:
    pairs = [f"{each['localnet']}:{each['bridge']}" for each in entries or () if each.get("bridge")]
    return {_MAPPINGS: ",".join(pairs)} if pairs else {}


def _section(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
