"""Fifteen ways that two NICs can be set up, each said completely: what the others make is absent in it.

A desired state leaves alone what it does not name. So whatever state B says nothing of would be left over from A:
each state here names every interface, route and rule that any of them has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e.campaigns.uplink import OFF, Json, address

__all__ = ["NICS", "STATES", "complete"]

NICS = ("eth1", "eth2")
TABLE = 200
MADE = {
    "bond1": "bond",
    "bond1.102": "vlan",
    "br1": "linux-bridge",
    "eth1.101": "vlan",
    "eth1.201": "vlan",
    "vrf1": "vrf",
    "dummy1": "dummy",
    "vxlan1": "vxlan",
    "mac1": "mac-vlan",
    "pair0": "veth",
    "pair1": "veth",
}
"""Every interface that a state makes, in the order in which they are taken away: uppers need not come first."""


def _address6(ip: str) -> Json:
    there = [{"ip": ip, "prefix-length": 64}]
    return {"enabled": True, "dhcp": False, "autoconf": False, "addr-gen-mode": "eui64", "address": there}


def _made(name: str, number: int, **rest: Any) -> Json:
    """An interface of `MADE`, with a MAC of its own: one by chance could not be compared."""
    return {
        "name": name,
        "type": MADE[name],
        "state": "up",
        "mtu": 1500,
        "mac-address": f"02:00:00:00:01:{number:02X}",
        "ipv4": OFF,
        "ipv6": OFF,
        **rest,
    }


def _nic(name: str, **rest: Any) -> Json:
    return {"name": name, "type": "ethernet", "state": "up", "mtu": 1500, "ipv4": OFF, "ipv6": OFF, **rest}


def _bond(mode: str, **rest: Any) -> Json:
    options = {"miimon": 140} if mode != "802.3ad" else {"miimon": 100, "lacp_rate": "fast"}
    return _made("bond1", 1, **{"link-aggregation": {"mode": mode, "options": options, "port": list(NICS)}}, **rest)


def _bridge(*ports: Json, **rest: Any) -> Json:
    return _made("br1", 2, bridge={"options": {"stp": {"enabled": False}}, "port": list(ports)}, **rest)


def _vlan(name: str, number: int, **rest: Any) -> Json:
    base, _, tag = name.rpartition(".")
    return _made(name, number, vlan={"base-iface": base, "id": int(tag)}, **rest)


def _route(destination: str, **rest: Any) -> Json:
    via = {"next-hop-interface": "eth1", "next-hop-address": "198.51.100.1"}
    return {"destination": destination, **via, **rest}


_TRUNK = {"mode": "trunk", "trunk-tags": [{"id": 101}, {"id-range": {"min": 200, "max": 210}}]}

_STATED: Mapping[str, Json] = {
    "plain": {"interfaces": []},
    "static": {
        "interfaces": [_nic("eth1", ipv4=address("198.51.100.7"), ipv6=_address6("2001:db8:51::7"))],
    },
    "static-both": {
        "interfaces": [
            _nic("eth1", ipv4=address("198.51.100.8", 25), mtu=1400),
            _nic("eth2", ipv4=address("203.0.113.7"), ipv6=_address6("2001:db8:113::7")),
        ],
    },
    "routes": {
        "interfaces": [_nic("eth1", ipv4=address("198.51.100.7"))],
        "routes": {
            "config": [
                _route("192.0.2.0/25", metric=150),
                _route("192.0.2.128/25", metric=151, **{"table-id": TABLE}),
            ]
        },
        "route-rules": {"config": [{"ip-from": "198.51.100.7/32", "route-table": TABLE, "priority": 1100}]},
    },
    "other-routes": {
        "interfaces": [_nic("eth1", ipv4=address("198.51.100.7"))],
        "routes": {"config": [_route("192.0.2.0/24", metric=150)]},
        "route-rules": {"config": [{"ip-to": "192.0.2.0/25", "route-table": TABLE, "priority": 1101}]},
    },
    "bond": {"interfaces": [_bond("active-backup")]},
    "bond-balanced": {"interfaces": [_bond("balance-rr", ipv4=address("198.51.100.7"), mtu=1400)]},
    "bond-vlan": {
        "interfaces": [_bond("802.3ad"), _vlan("bond1.102", 3, ipv4=address("203.0.113.7"))],
    },
    "bridge": {"interfaces": [_bridge({"name": "eth1"}, ipv4=address("198.51.100.7"))]},
    "bridge-vlans": {
        "interfaces": [
            _bridge(
                {"name": "eth1", "vlan": _TRUNK},
                {"name": "eth2", "vlan": {"mode": "access", "tag": 101}},
            )
        ],
    },
    "bridge-over-bond": {"interfaces": [_bond("active-backup"), _bridge({"name": "bond1"})]},
    "vlans": {
        "interfaces": [
            _vlan("eth1.101", 4, ipv4=address("198.51.100.7")),
            _vlan("eth1.201", 5, ipv6=_address6("2001:db8:201::7")),
        ],
    },
    "vrf": {
        "interfaces": [
            {"name": "vrf1", "type": "vrf", "state": "up", "vrf": {"port": ["eth1"], "route-table-id": 150}},
            _nic("eth1", ipv4=address("198.51.100.7")),
        ],
    },
    "overlay": {
        "interfaces": [
            _nic("eth1", ipv4=address("198.51.100.7")),
            _made("dummy1", 6, ipv4=address("203.0.113.7")),
            _made("vxlan1", 7, mtu=1450, vxlan={"base-iface": "eth1", "id": 9, "remote": "198.51.100.9"}),
            _made("mac1", 8, **{"mac-vlan": {"base-iface": "eth2", "mode": "bridge", "promiscuous": True}}),
        ],
    },
    "dns-and-pair": {
        "interfaces": [
            _made("pair0", 9, veth={"peer": "pair1"}, ipv4=address("203.0.113.7")),
            _made("pair1", 10, veth={"peer": "pair0"}),
        ],
        "dns-resolver": {"config": {"server": ["10.11.0.1"], "search": ["lab.test"]}},
    },
}


def complete(state: Json) -> Json:
    """The state, and that nothing else is there."""
    named = {interface["name"] for interface in state["interfaces"]}
    absent = [{"name": name, "type": kind, "state": "absent"} for name, kind in MADE.items() if name not in named]
    bare = [_nic(name) for name in NICS if name not in named]
    no_routes = [{"next-hop-interface": name, "state": "absent"} for name in (*NICS, *MADE)]
    return {
        "interfaces": [*state["interfaces"], *bare, *absent],
        "routes": {"config": [*no_routes, *state.get("routes", {}).get("config", [])]},
        "route-rules": {
            "config": [
                {"route-table": TABLE, "state": "absent"},
                *state.get("route-rules", {}).get("config", []),
            ]
        },
        "dns-resolver": state.get("dns-resolver", {"config": {}}),
    }


STATES: Mapping[str, Json] = {name: complete(state) for name, state in _STATED.items()}
