"""What a desired state takes away on purpose, so that a probe that misses it is no failure.

Only what the state says by itself counts; whether the node is still reached otherwise, the probe looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.host.probes.result import Change

__all__ = ["withdraws_ipv6"]


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


def _desired(change: Change) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.json.decode(change.desired) if change.desired else {}
    return found


def _interfaces_before(change: Change) -> frozenset[str]:
    before = msgspec.json.decode(change.before, type=_Before) if change.before else _Before()
    return frozenset(interface.name for interface in before.interfaces)
