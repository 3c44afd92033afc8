"""Whether what libnmstate calls a difference is one.

libnmstate's `gen_diff` compares lists as a whole: a bridge's port of which a policy names some settings differs from
the same port in the node's state, which has all of them. And it writes VLAN ranges out as single ids on the desired
side only. So every bridge would be applied again each time that somebody looks (seen with libnmstate 2.2.62). Here a
bridge's ports are compared as libnmstate itself does after an apply: by name, and only in what is desired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

__all__ = ["differs"]


def differs(difference: Mapping[str, Any], before: bytes) -> bool:
    """Whether anything in libnmstate's difference is not so in the state `before` yet, which is read if need be."""
    if any(value for key, value in difference.items() if key != "interfaces"):
        return True
    interfaces = difference.get("interfaces") or ()
    if not all("bridge" in interface for interface in interfaces):
        return True
    if not interfaces:
        return False
    have = {_identity(interface): interface for interface in msgspec.json.decode(before).get("interfaces", ())}
    return any(not _bridge_is_so(interface, have.get(_identity(interface))) for interface in interfaces)


def _identity(interface: Mapping[str, Any]) -> tuple[Any, Any]:
    """An OVS bridge and its interface may share a name."""
    return interface.get("name"), interface.get("type")


def _bridge_is_so(want: Mapping[str, Any], have: Mapping[str, Any] | None) -> bool:
    """Whether an interface differs in nothing but how its bridge is written."""
    if have is None:
        return False
    others = {key: value for key, value in want.items() if key != "bridge"}
    return all(have.get(key) == value for key, value in others.items()) and _is_so(want["bridge"], have.get("bridge"))


def _is_so(want: Any, have: Any, key: str = "") -> bool:
    """Whether all that is wanted is there; what is not mentioned may be as it likes."""
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        return all(name in have and _is_so(value, have[name], name) for name, value in want.items())
    if isinstance(want, list) and isinstance(have, list):
        if key == "trunk-tags":
            return _vlans(want) == _vlans(have)
        return len(want) == len(have) and all(
            _is_so(one, other) for one, other in zip(_by_name(want), _by_name(have), strict=True)
        )
    return bool(want == have)


def _by_name(items: list[Any]) -> list[Any]:
    """Ports in one order; lists of anything else keep theirs."""
    if all(isinstance(item, Mapping) and "name" in item for item in items):
        return sorted(items, key=lambda item: str(item["name"]))
    return items


def _vlans(tags: Iterable[Mapping[str, Any]]) -> set[int]:
    """The ids behind `id` and `id-range`."""
    ids: set[int] = set()
    for tag in tags:
        bounds = tag.get("id-range")
        ids.update(range(bounds["min"], bounds["max"] + 1) if bounds else (tag["id"],))
    return ids
