"""Whole states compared: is the node, after a rollback, as it was?

What moves by itself is left out, order in lists of named things does not count, and the answer names paths. A veth
without an address whose other end is elsewhere, and that is in one of the two only, came or went with a pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.nodestate.filter import far_end, filtered, filtered_interface, filtered_routes

__all__ = ["differences"]

_MOVING = frozenset({"neighbors", "min-mtu", "max-mtu", "features"})
"""LLDP neighbours come and go; the others follow the driver."""


def differences(before: bytes, after: bytes) -> tuple[str, ...]:
    """The paths at which two states differ, as people say them; empty if they are the same."""
    was, now = _settled(before), _settled(after)
    passing = _pods(was) ^ _pods(now)
    return tuple(_walk(_keyed(_without(was, passing)), _keyed(_without(now, passing)), ""))


def _pods(state: Mapping[str, Any]) -> set[str]:
    """Names of what may be pods' ends."""
    return {
        str(entry.get("name"))
        for entry in state.get("interfaces") or ()
        if far_end(entry) and not (entry.get("ipv4") or {}).get("address")
    }


def _without(state: dict[str, Any], names: set[str]) -> dict[str, Any]:
    if not names or not state.get("interfaces"):
        return state
    routes = filtered_routes(state["routes"], names) if isinstance(state.get("routes"), Mapping) else {}
    interfaces = [filtered_interface(entry, names) for entry in state["interfaces"] if entry.get("name") not in names]
    return {**state, "interfaces": interfaces, "routes": routes}


def _settled(state: bytes) -> dict[str, Any]:
    """Without what says the same otherwise. The metrics of automatic routes: each activation gives another one."""
    data = filtered(state)
    if isinstance(interfaces := data.get("interfaces"), list):
        data["interfaces"] = [_loopback(entry) if entry.get("type") == "loopback" else entry for entry in interfaces]
    routes = data.get("routes")
    if isinstance(routes, Mapping):
        config = routes.get("config") or []
        running = [route if route in config else _without_metric(route) for route in routes.get("running") or []]
        data["routes"] = {**routes, "running": running}
    if isinstance(resolver := data.get("dns-resolver"), Mapping):
        data["dns-resolver"] = _resolver(resolver)
    return data


def _loopback(interface: Mapping[str, Any]) -> dict[str, Any]:
    """What the kernel does with it: where a policy touched it (routes without an interface are kept on it),
    NetworkManager's rollback leaves a profile of its own behind that says the same as the kernel did before.
    """
    kept = {key: interface.get(key) for key in ("name", "type", "state", "mtu")}
    for family in ("ipv4", "ipv6"):
        config = interface.get(family) or {}
        addresses = [(entry.get("ip"), entry.get("prefix-length")) for entry in config.get("address") or ()]
        kept[family] = {"enabled": config.get("enabled"), "address": sorted(f"{ip}/{bits}" for ip, bits in addresses)}
    return kept


def _resolver(resolver: Mapping[str, Any]) -> dict[str, Any]:
    """Servers that DHCP and router advertisements named stand in the order in which these arrived."""
    running = resolver.get("running") or {}
    if (resolver.get("config") or {}).get("server") or not running.get("server"):
        return dict(resolver)
    return {**resolver, "running": {**running, "server": sorted(running["server"])}}


def _without_metric(route: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in route.items() if key != "metric"}


def _walk(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if key not in _MOVING:
                where = f"{path}{key}" if key.startswith("[") else f"{path}.{key}".lstrip(".")
                yield from _walk(old.get(key), new.get(key), where)
    elif old != new and not (_empty(old) and _empty(new)):
        yield path


def _empty(value: Any) -> bool:
    return value is None or value == {} or value == []


def _keyed(value: Any) -> Any:
    """Lists as mappings: by name where each entry has one, else by content, so that order does not count."""
    if isinstance(value, Mapping):
        return {key: _keyed(inner) for key, inner in value.items()}
    if isinstance(value, list) and value:
        names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in value]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return {f"[{name}]": _keyed(entry) for name, entry in zip(names, value, strict=True)}
        kinds = [f"[{entry.get('name')} {entry.get('type')}]" if isinstance(entry, Mapping) else "" for entry in value]
        if all(isinstance(name, str) for name in names) and len(set(kinds)) == len(kinds):
            return {kind: _keyed(entry) for kind, entry in zip(kinds, value, strict=True)}
        if all(isinstance(entry, Mapping) for entry in value):
            return {f"[{_label(entry)}]": entry for entry in value}
    return value


def _label(entry: Mapping[str, Any]) -> str:
    return msgspec.json.encode(entry, order="sorted").decode()
