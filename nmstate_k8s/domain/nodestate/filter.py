"""What is left out of a reported state: what changes by itself, and what belongs to pods.

- veths in state `ignore` (pods' ends), wherever they appear: as interfaces, as ports of a bridge, as the next
  hop of a route.
- What came while libnmstate looked: it asks the kernel first and NetworkManager afterwards. Of a link that it heard
  of from NetworkManager alone it knows no more than that it is ignored, and calls a veth an ethernet.
- A bridge's `gc-timer` and `hello-timer`, the life times of addresses: they run.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import msgspec

__all__ = ["Head", "far_end", "filtered", "filtered_interface", "filtered_routes"]

_TIMERS = frozenset({"gc-timer", "hello-timer"})
_LIFE_TIMES = frozenset({"preferred-life-time", "valid-life-time"})


class Head(msgspec.Struct, frozen=True):
    """Of an interface, what tells whose it is."""

    name: str = ""
    type: str = ""
    state: str = ""
    mtu: int | None = None
    mac_address: str | None = msgspec.field(default=None, name="mac-address")
    veth: dict[str, Any] | None = None
    """Where its other end is here."""

    @property
    def is_pods(self) -> bool:
        """Whether it is a pod's end, known or only just come."""
        if self.state != "ignore":
            return False
        return self.type == "veth" or (self.type == "ethernet" and self.mtu is None and self.mac_address is None)

    @property
    def far_end(self) -> bool:
        """Whether it is a veth whose other end is in another network namespace."""
        return self.type == "veth" and self.veth is None


def filtered(state: bytes) -> dict[str, Any]:
    """The state as it is reported, from libnmstate's JSON."""
    data: dict[str, Any] = msgspec.json.decode(state)
    interfaces = data.get("interfaces") or []
    left_out = {str(entry.get("name")) for entry in interfaces if _head(entry).is_pods}
    data["interfaces"] = [filtered_interface(entry, left_out) for entry in interfaces if not _head(entry).is_pods]
    if isinstance(data.get("routes"), Mapping):
        data["routes"] = filtered_routes(data["routes"], left_out)
    return data


def far_end(interface: Mapping[str, Any]) -> bool:
    """Whether it is a veth whose other end is in another network namespace."""
    return _head(interface).far_end


def filtered_interface(interface: Mapping[str, Any], left_out: Set[str]) -> dict[str, Any]:
    """An interface as it is reported, where these others are left out."""
    changed = dict(interface)
    for family in ("ipv4", "ipv6"):
        addresses = changed[family].get("address") if isinstance(changed.get(family), Mapping) else None
        if addresses:
            changed[family] = {**changed[family], "address": [_without(entry, _LIFE_TIMES) for entry in addresses]}
    bridge = changed.get("bridge")
    if isinstance(bridge, Mapping):
        bridge = dict(bridge)
        if isinstance(bridge.get("options"), Mapping):
            bridge["options"] = _without(bridge["options"], _TIMERS)
        if left_out and isinstance(bridge.get("port"), list):
            bridge["port"] = [port for port in bridge["port"] if port.get("name") not in left_out]
        changed["bridge"] = bridge
    return changed


def filtered_routes(routes: Mapping[str, Any], left_out: Set[str]) -> dict[str, Any]:
    """Routes as they are reported, where these interfaces are left out."""
    return {
        name: [route for route in listed or () if route.get("next-hop-interface") not in left_out]
        if left_out
        else listed
        for name, listed in routes.items()
    }


def _head(interface: Mapping[str, Any]) -> Head:
    return msgspec.convert(interface, Head)


def _without(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name not in names}
