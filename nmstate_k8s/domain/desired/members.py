"""The interfaces of a state and what belongs to each: ports and bases. Pure, and patient with whatever stands there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["interfaces_of", "ports_of"]

_WITH_PORTS = ("bridge", "link-aggregation", "vrf", "hsr")


def interfaces_of(state: Any) -> list[Mapping[str, Any]]:
    """Its entries that are mappings."""
    listed = state.get("interfaces") if isinstance(state, Mapping) else None
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def ports_of(entry: Mapping[str, Any]) -> Iterator[str]:
    """The names of the ports of a bond, a bridge, a VRF, also of a bond that is a port of an OVS bridge."""
    for section in _WITH_PORTS:
        config = entry.get(section)
        if not isinstance(config, Mapping):
            continue
        for key in ("port", "ports"):
            listed = config.get(key)
            yield from _names(listed if isinstance(listed, list) else ())
        yield from (name for key in ("port1", "port2") if isinstance(name := config.get(key), str))


def _names(ports: Any) -> Iterator[str]:
    for port in ports:
        if isinstance(port, str):
            yield port
        elif isinstance(port, Mapping):
            if "link-aggregation" in port:  # the bond itself is made; its ports are cards
                yield from ports_of({"link-aggregation": port["link-aggregation"]})
            elif isinstance(name := port.get("name"), str):
                yield name
