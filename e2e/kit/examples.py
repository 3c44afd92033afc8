"""What each policy in manifests/examples brings about, as the kernel, NetworkManager and Open vSwitch of a node say.

A chain is examples that follow one another on the same interfaces, and what takes all of them away again. What an
example shows must not be the case before it: in a chain each has something that those before it have not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from e2e.kit.node import Node

__all__ = ["ALREADY_SO", "CHAINS", "DNS_SERVERS", "SHOWS", "Chain", "eth"]

Json = dict[str, Any]
Shows = Callable[[Node], bool]

DNS_SERVERS = ("192.0.2.53", "198.51.100.53")
"""Those of dns.yaml."""

ALREADY_SO = frozenset({"per-interface-ipv4-forwarding"})
"""What holds before: a node of Kubernetes forwards for its pods on all interfaces."""


# --- What is looked at -------------------------------------------------------------------------------------------


def _kind(node: Node, name: str) -> str:
    return str(node.links().get(name, {}).get("linkinfo", {}).get("info_kind", ""))


def _info(node: Node, name: str) -> Json:
    return dict(node.links().get(name, {}).get("linkinfo", {}).get("info_data", {}))


def _controller(node: Node, name: str) -> str:
    return str(node.links().get(name, {}).get("master", ""))


def _lease(node: Node, name: str, prefix: str) -> bool:
    return any(address.startswith(prefix) for address in node.addresses(name))


def _vlans(node: Node, port: str) -> list[Json]:
    found = json.loads(node.sh(f"bridge -j vlan show dev {port}") or "[]")
    return [vlan for entry in found for vlan in entry.get("vlans", [])]


def _carried(node: Node, port: str) -> set[int]:
    """The VLANs that a bridge's port lets pass."""
    return {tag for vlan in _vlans(node, port) for tag in range(vlan["vlan"], vlan.get("vlanEnd", vlan["vlan"]) + 1)}


def _untagged(node: Node, port: str) -> set[int]:
    """The VLANs of a port's untagged frames: that which comes in belongs to it, that which is of it goes out bare."""
    native = {"PVID", "Egress Untagged"}
    return {vlan["vlan"] for vlan in _vlans(node, port) if native <= set(vlan.get("flags", ()))}


def _routes(node: Node, destination: str, table: str = "main") -> list[Json]:
    routes = json.loads(node.sh(f"ip -j route show table {table}", check=False) or "[]")
    return [route for route in routes if route["dst"] == destination]


def _resolver(node: Node) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in node.sh("cat /etc/resolv.conf").splitlines():
        if not line.startswith("#") and line.strip():
            word, *rest = line.split()
            found.setdefault(word, []).extend(rest)
    return found


def _profile(node: Node, interface: str) -> dict[str, str]:
    """Key to value of the profile that is active on the interface, as nmcli says it; an OVS port has another one."""
    for line in node.sh("nmcli -t -f UUID,TYPE,DEVICE connection show --active").splitlines():
        uuid, kind, device = line.split(":", 2)
        if device == interface and kind not in ("ovs-port", "ovs-bridge"):
            lines = node.sh(f"nmcli connection show {uuid}", check=False).splitlines()
            return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return {}


def _ovs_ports(node: Node, bridge: str) -> set[str]:
    return set(node.sh(f"ovs-vsctl list-ports {bridge}", check=False).split())


# --- The examples ------------------------------------------------------------------------------------------------

SHOWS: Mapping[str, Shows] = {
    "ethernet": lambda node: _lease(node, "eth1", "10.21.0."),
    "dhcp": lambda node: (
        _lease(node, "eth1", "fd00:21::")
        and _profile(node, "eth1").get("ipv4.ignore-auto-dns") == "yes"
        and _profile(node, "eth1").get("ipv6.ignore-auto-routes") == "yes"
    ),
    "dns": lambda node: (
        _resolver(node).get("nameserver") == list(DNS_SERVERS)
        and _resolver(node).get("search") == ["example.com", "example.org"]
    ),
    "dns-cleanup": lambda node: (
        not set(DNS_SERVERS) & set(_resolver(node)["nameserver"])
        and "example.com" not in _resolver(node).get("search", [])
    ),
    "per-interface-ipv4-forwarding": lambda node: node.sh("cat /proc/sys/net/ipv4/conf/eth1/forwarding").strip() == "1",
    "worker-selector": lambda node: node.links()["eth1"]["mtu"] == 1400,
    "vlan": lambda node: (
        _kind(node, "eth1.102") == "vlan"
        and _info(node, "eth1.102")["id"] == 102
        and node.links()["eth1.102"]["link"] == "eth1"
        and _profile(node, "eth1.102").get("ipv4.method") == "auto"
    ),
    "static-ip": lambda node: node.addresses("eth1") == ["192.0.2.10/24"],
    "route": lambda node: [
        (route["gateway"], route["dev"], route["metric"]) for route in _routes(node, "198.51.100.0/24")
    ] == [("192.0.2.1", "eth1", 150)],
    "vrf": lambda node: (
        _kind(node, "vrf0") == "vrf"
        and _info(node, "vrf0")["table"] == 100
        and _controller(node, "eth1") == "vrf0"
        and bool(_routes(node, "192.0.2.0/24", "100"))
    ),
    "bond": lambda node: (
        _info(node, "bond0").get("mode") == "balance-rr"
        and _info(node, "bond0").get("miimon") == 140
        and all(_controller(node, port) == "bond0" for port in ("eth1", "eth2"))
        and node.links()["bond0"]["address"] == node.links()["eth1"]["address"]
        and _profile(node, "bond0").get("ipv4.method") == "auto"
    ),
    "bond-vlan": lambda node: (
        _info(node, "bond0.102").get("id") == 102
        and node.links()["bond0.102"]["link"] == "bond0"
        and _profile(node, "bond0.102").get("ipv4.method") == "auto"
        and _profile(node, "bond0").get("ipv4.method") == "disabled"
    ),
    "linux-bridge": lambda node: (
        _kind(node, "br1") == "bridge"
        and _info(node, "br1")["stp_state"] == 0
        and _controller(node, "eth1") == "br1"
        and _carried(node, "eth1") >= set(range(2, 4095))
        and _lease(node, "br1", "10.21.0.")
    ),
    "linux-bridge-vlan": lambda node: (
        _controller(node, "eth1") == "br1"
        and _carried(node, "eth1") - {1} == {100, 101, *range(500, 600)}
        and _untagged(node, "eth1") == {100}
        and not node.addresses("br1")
    ),
    "detach-bridge-port-and-restore-eth": lambda node: (
        _kind(node, "br1") == "bridge" and not _controller(node, "eth1") and _lease(node, "eth1", "10.21.0.")
    ),
    "ovs-bridge": lambda node: (
        node.ovs_bridges() == ["br1"]
        and _ovs_ports(node, "br1") == {"eth1"}
        and node.sh("ovs-vsctl get bridge br1 stp_enable").strip() == "false"
    ),
    "ovs-bridge-iface": lambda node: (
        _ovs_ports(node, "br1") == {"eth1", "ovs0"}
        and node.sh("ovs-vsctl get interface ovs0 type").strip() == "internal"
        and _kind(node, "ovs0") == "openvswitch"
        and _profile(node, "ovs0").get("ipv4.method") == "auto"
    ),
}  # fmt: skip


# --- In what order, and how they are taken away --------------------------------------------------------------------


def eth(name: str) -> Json:
    """A network card as the nodes have it at first."""
    off = {"enabled": False}
    return {"name": name, "type": "ethernet", "state": "up", "mtu": 1500, "ipv4": off, "ipv6": off, "lldp": off}


def _absent(name: str, kind: str) -> Json:
    return {"name": name, "type": kind, "state": "absent"}


@dataclass(frozen=True)
class Chain:
    """Examples that follow one another."""

    examples: tuple[str, ...]
    away: Json
    """The desired state that takes away what all of them did."""


_ROUTE_AWAY = {"state": "absent", "next-hop-interface": "eth1"}

CHAINS: Mapping[str, tuple[Chain, ...]] = {
    "one card": (
        Chain(
            ("ethernet", "dhcp", "dns", "dns-cleanup", "per-interface-ipv4-forwarding", "worker-selector", "vlan"),
            {"interfaces": [_absent("eth1.102", "vlan"), eth("eth1")]},
        ),
    ),
    "fixed address": (
        Chain(("static-ip", "route"), {"interfaces": [eth("eth1")], "routes": {"config": [_ROUTE_AWAY]}}),
        Chain(("vrf",), {"interfaces": [_absent("vrf0", "vrf"), eth("eth1")]}),
    ),
    "bond and bridge": (
        Chain(
            ("bond", "bond-vlan"),
            {"interfaces": [_absent("bond0.102", "vlan"), _absent("bond0", "bond"), eth("eth1"), eth("eth2")]},
        ),
        Chain(
            ("linux-bridge", "linux-bridge-vlan", "detach-bridge-port-and-restore-eth"),
            {"interfaces": [_absent("br1", "linux-bridge"), eth("eth1")]},
        ),
    ),
    "Open vSwitch": (
        Chain(
            ("ovs-bridge", "ovs-bridge-iface"),
            {"interfaces": [_absent("ovs0", "ovs-interface"), _absent("br1", "ovs-bridge"), eth("eth1")]},
        ),
    ),
}
