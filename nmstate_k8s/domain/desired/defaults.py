"""What a desired state means without saying so: on a linux-bridge that is up, a port without `vlan` is a trunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["with_defaults"]

_TRUNK_ALL = {"mode": "trunk", "trunk-tags": [{"id-range": {"min": 2, "max": 4094}}]}


def with_defaults(desired: Any) -> Any:
    """The same state with the defaults filled in. The argument stays as it is; all else is the user's text."""
    if not isinstance(desired, Mapping) or not isinstance(desired.get("interfaces"), list):
        return desired
    return {**desired, "interfaces": [_interface(interface) for interface in desired["interfaces"]]}


def _interface(interface: Any) -> Any:
    if not isinstance(interface, Mapping) or interface.get("type") != "linux-bridge" or interface.get("state") != "up":
        return interface
    bridge = interface.get("bridge")
    if not isinstance(bridge, Mapping):
        return interface
    filled = {name: _ports(bridge[name]) for name in ("port", "ports") if isinstance(bridge.get(name), list)}
    return {**interface, "bridge": {**bridge, **filled}}


def _ports(ports: list[Any]) -> list[Any]:
    return [
        {**port, "vlan": _TRUNK_ALL} if isinstance(port, Mapping) and "vlan" not in port else port for port in ports
    ]
