"""What is left out of a reported state: what changes by itself, and what belongs to pods.

- veths in state `ignore` (pods' ends), wherever they appear: as interfaces, as ports of a bridge, as the next
  hop of a route.
- A bridge's `gc-timer` and `hello-timer`, the life times of addresses: they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nmstate_k8s.core.objects import Object, drop_managed_fields

__all__ = ["filtered", "without_status"]

_TIMERS = frozenset({"gc-timer", "hello-timer"})
_LIFE_TIMES = frozenset({"preferred-life-time", "valid-life-time"})


def filtered(state: bytes) -> dict[str, Any]:
    """The state as it is reported, from libnmstate's JSON."""
    data: dict[str, Any] = msgspec.json.decode(state)
    interfaces = data.get("interfaces") or []
    left_out = {entry.get("name") for entry in interfaces if _is_pods(entry)}
    data["interfaces"] = [_interface(entry, left_out) for entry in interfaces if not _is_pods(entry)]
    routes = data.get("routes")
    if left_out and isinstance(routes, Mapping):
        data["routes"] = {
            name: [route for route in listed or () if route.get("next-hop-interface") not in left_out]
            for name, listed in routes.items()
        }
    return data


def without_status(report: Object) -> Object:
    """A NodeNetworkState as it is kept in memory: that it is there, and its labels."""
    top = drop_managed_fields(report).view(dict[str, msgspec.Raw])
    top.pop("status", None)
    return report.with_raw(msgspec.json.encode(top))


def _is_pods(interface: Mapping[str, Any]) -> bool:
    return interface.get("type") == "veth" and interface.get("state") == "ignore"


def _interface(interface: dict[str, Any], left_out: set[Any]) -> dict[str, Any]:
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


def _without(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name not in names}
