"""The node's only way to the cluster, as policies that break or move it have to name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from e2e.kit import Node

__all__ = ["DEAD", "OFF", "Json", "Uplink", "address", "default_route", "ethernet", "uplink"]

Json = dict[str, Any]

OFF: Json = {"enabled": False}
DEAD = "198.51.100.1"
"""A documentation address: nobody on any wire has it."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """What eth0 has by DHCP, and who is asked through it."""

    address: str
    prefix: int
    gateway: str
    mac: str
    api: str = "10.96.0.1"
    nobody: str = "10.11.0.250"
    """An address of the uplink's own subnet that nobody has."""


def uplink(node: Node) -> Uplink:
    """The uplink as it is now."""
    link = node.links()["eth0"]
    (found,) = [a for a in link["addr_info"] if a["family"] == "inet" and a["scope"] == "global"]
    (route,) = node.default_routes()
    return Uplink(found["local"], found["prefixlen"], route["gateway"], link["address"])


def address(ip: str, prefix: int = 24) -> Json:
    """A static address."""
    return {"enabled": True, "dhcp": False, "address": [{"ip": ip, "prefix-length": prefix}]}


def ethernet(name: str = "eth0", **rest: Any) -> Json:
    return {"name": name, "type": "ethernet", "state": "up", **rest}


def default_route(interface: str, gateway: str, **rest: Any) -> Json:
    return {"destination": "0.0.0.0/0", "next-hop-interface": interface, "next-hop-address": gateway, **rest}
