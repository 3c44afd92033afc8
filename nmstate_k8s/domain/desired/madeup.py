"""A node that has whatever a desired state takes for granted: on it only what no node can do is refused. Pure.

Each card, port and base that the state names, and does not make itself, is there as an ordinary card that is up, with
addresses of both families; each OVS bridge that OVN is to map is there, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nmstate_k8s.domain.desired.members import interfaces_of, ports_of

__all__ = ["CARDS", "made_up_node"]

CARDS = frozenset({None, "ethernet", "infiniband", "loopback", "unknown", "veth"})
"""Types of what a policy finds on a node; those of all others it makes. None: the type is not said."""
_BASED = ("vlan", "vxlan", "mac-vlan", "mac-vtap", "ipvlan", "macsec", "infiniband")


def made_up_node(desired: Any) -> dict[str, Any]:
    """Its state."""
    made = {entry.get("name") for entry in interfaces_of(desired) if entry.get("type") not in CARDS}
    cards = dict.fromkeys(name for name in _named(desired) if isinstance(name, str) and name and name not in made)
    bridges = dict.fromkeys(name for name in _mapped(desired) if isinstance(name, str) and name not in made)
    return {
        "interfaces": [
            *(_card(name, number) for number, name in enumerate(cards)),
            *({"name": name, "type": "ovs-bridge", "state": "up"} for name in bridges),
        ]
    }


def _named(desired: Any) -> Iterator[Any]:
    for entry in interfaces_of(desired):
        if entry.get("type") in CARDS:
            yield entry.get("name")
        yield entry.get("copy-mac-from")
        yield from ports_of(entry)
        for section in _BASED:
            config = entry.get(section)
            yield config.get("base-iface") if isinstance(config, Mapping) else None
    routes = desired.get("routes")
    listed = routes.get("config") if isinstance(routes, Mapping) else None
    for route in listed if isinstance(listed, list) else ():
        yield route.get("next-hop-interface") if isinstance(route, Mapping) else None


def _mapped(desired: Any) -> Iterator[Any]:
    ovn = desired.get("ovn")
    listed = ovn.get("bridge-mappings") if isinstance(ovn, Mapping) else None
    for mapping in listed if isinstance(listed, list) else ():
        yield mapping.get("bridge") if isinstance(mapping, Mapping) else None


def _card(name: str, number: int) -> dict[str, Any]:
    high, low = divmod(number, 256)
    return {
        "name": name,
        "type": "loopback" if name == "lo" else "ethernet",
        "state": "up",
        "mac-address": f"02:00:00:{high >> 8 & 255:02x}:{high & 255:02x}:{low:02x}",
        "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.1", "prefix-length": 24}]},
        "ipv6": {"enabled": True, "address": [{"ip": "2001:db8::1", "prefix-length": 64}]},
    }
