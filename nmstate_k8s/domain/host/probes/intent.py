"""What a desired state takes away on purpose, so that a probe that misses it is no failure.

Both rules speak of what the state says by itself; whether the node is still reached otherwise, the probe looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nmstate_k8s.api.probes import Family
from nmstate_k8s.domain.host.probes.addresses import family_of
from nmstate_k8s.domain.host.probes.result import Change

__all__ = ["names_no_server_of", "withdraws_ipv6"]


class _Named(msgspec.Struct):
    name: str = ""


class _Before(msgspec.Struct):
    interfaces: tuple[_Named, ...] = ()


def withdraws_ipv6(change: Change, interface: str) -> bool:
    """Disabled there by word, or a new interface of which the state names no IPv6.

    Many policies name only `ipv4` for the bridge that takes the uplink's address, and mean it.
    """
    for entry in _desired(change).get("interfaces") or ():
        if entry.get("name") == interface:
            ipv6 = entry.get("ipv6")
            if ipv6 is None:
                return interface not in _interfaces_before(change)
            return isinstance(ipv6, Mapping) and ipv6.get("enabled") is False
    return False


def names_no_server_of(change: Change, family: Family) -> bool:
    """The state says which DNS servers there are to be, and none of them is of this family."""
    config = (_desired(change).get("dns-resolver") or {}).get("config") or {}
    servers = config.get("server") or ()
    return bool(servers) and all(family_of(str(server)) != family for server in servers)


def _desired(change: Change) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.json.decode(change.desired) if change.desired else {}
    return found


def _interfaces_before(change: Change) -> frozenset[str]:
    before = msgspec.json.decode(change.before, type=_Before) if change.before else _Before()
    return frozenset(interface.name for interface in before.interfaces)
