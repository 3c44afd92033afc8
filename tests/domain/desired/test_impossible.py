"""What libnmstate refuses on every node: each message is one that it really says, and each node does refuse it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.desired.binding import Computing
from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.desired.impossible import EVERYWHERE, MAX_INTERFACES, refuse_impossible
from nmstate_k8s.domain.desired.madeup import made_up_node

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")


def up(name: str, kind: str = "ethernet", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "state": "up", **more}


def bond(**options: Any) -> dict[str, Any]:
    link = {"mode": "active-backup", "port": ["eth1"], **options}
    return up("bond0", "bond", **{"link-aggregation": link})


def bridge(vlan: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    port = {"name": "eth1"} | ({"vlan": vlan} if vlan else {})
    return up("br1", "linux-bridge", bridge={"port": [port], "options": options})


def address(ip: str, length: int) -> dict[str, Any]:
    return {"enabled": True, "address": [{"ip": ip, "prefix-length": length}]}


def route(**more: Any) -> dict[str, Any]:
    return {"destination": "198.51.100.0/24", "next-hop-interface": "eth1", **more}


NO_NODE_CAN: dict[str, dict[str, Any]] = {
    "an IPv6 address under ipv4": {"interfaces": [up("eth1", ipv4=address("2001:db8::1", 64))]},
    "an IPv4 address under ipv6": {"interfaces": [up("eth1", ipv6=address("192.0.2.1", 24))]},
    "a prefix too long": {"interfaces": [up("eth1", ipv6=address("2001:db8::1", 129))]},
    "an MTU too small for IPv6": {"interfaces": [up("eth1", mtu=1000, ipv6={"enabled": True})]},
    "an MTU beyond all": {"interfaces": [up("eth1", mtu=2**33)]},
    "an address on a port": {"interfaces": [up("eth1", ipv4=address("192.0.2.1", 24)), bridge()]},
    "a port of two": {"interfaces": [bond(), bridge()]},
    "a controller and another's list": {
        "interfaces": [up("eth1", controller="br2"), bridge(), up("br2", "linux-bridge", bridge={"port": []})]
    },
    "LACP without LACP": {"interfaces": [bond(options={"lacp_rate": "fast"})]},
    "tags that overlap": {
        "interfaces": [bridge({"mode": "trunk", "trunk-tags": [{"id": 5}, {"id-range": {"min": 1, "max": 9}}]})]
    },
    "native in access mode": {"interfaces": [bridge({"mode": "access", "tag": 1, "enable-native": True})]},
    "trunk tags in access mode": {"interfaces": [bridge({"mode": "access", "tag": 1, "trunk-tags": [{"id": 5}]})]},
    "an STP time out of range": {"interfaces": [bridge(stp={"enabled": True, "hello-time": 99})]},
    "a base that goes": {
        "interfaces": [
            {"name": "bond0", "type": "bond", "state": "absent"},
            up("bond0.7", "vlan", vlan={"base-iface": "bond0", "id": 7}),
        ]
    },
    "a VLAN priority": {
        "interfaces": [up("v", "vlan", vlan={"base-iface": "eth1", "id": 7, "egress-qos-map": [{"from": 1, "to": 9}]})]
    },
    "another name that is none": {"interfaces": [up("eth1", **{"alt-names": [{"name": "eth1"}]})]},
    "a MAC address of an OVS bridge": {"interfaces": [up("br", "ovs-bridge", **{"mac-address": "02:00:00:00:00:01"})]},
    "a short key of MACsec": {
        "interfaces": [
            up("m", "macsec", macsec={"encrypt": True, "base-iface": "eth1", "mka-cak": "50b7", "mka-ckn": "4f0c",
                                      "port": 0, "validation": "strict", "send-sci": True})
        ]
    },
    "a loopback without addresses": {"interfaces": [up("lo", "loopback", ipv4={"enabled": False})]},
    "a route through no interface": {"routes": {"config": [{"destination": "198.51.100.0/24"}]}},
    "a hole with a next hop": {"routes": {"config": [route(**{"route-type": "blackhole"})]}},
    "a route where IP is off": {
        "interfaces": [up("eth1", ipv4={"enabled": False})],
        "routes": {"config": [route(**{"next-hop-address": "192.0.2.1"})]},
    },
    "a route where IP is off in words": {
        "interfaces": [up("eth1", ipv6={"enabled": "false"})],
        "routes": {"config": [route(destination="2001:db8:1::/64")]},
    },
    "a route through what goes": {
        "interfaces": [{"name": "eth1", "type": "ethernet", "state": "absent"}],
        "routes": {"config": [route()]},
    },
    "a next hop that is no address": {"routes": {"config": [route(**{"next-hop-address": "router"})]}},
    "a destination that is no network": {"routes": {"config": [route(destination="198.51.100.0/33")]}},
    "a weight of none": {"routes": {"config": [route(weight=300)]}},
    "a window of nothing": {"routes": {"config": [route(cwnd=0)]}},
    "a rule of nothing": {"route-rules": {"config": [{"priority": 100, "route-table": 200}]}},
    "a rule of two families": {
        "route-rules": {"config": [{"ip-from": "192.0.2.0/24", "family": "ipv6", "route-table": 200}]}
    },
    "a mask without a mark": {
        "route-rules": {"config": [{"ip-from": "192.0.2.0/24", "fwmask": "0x1", "route-table": 200}]}
    },
    "a DNS server that is none": {"dns-resolver": {"config": {"server": ["ns1.example.org"]}}},
    "a DNS option that is none": {"dns-resolver": {"config": {"server": ["192.0.2.1"], "options": ["rotat"]}}},
    "a mapping twice": {
        "ovn": {"bridge-mappings": [{"localnet": "net", "bridge": "a"}, {"localnet": "net", "bridge": "b"}]}
    },
    "a mapping to nothing": {"ovn": {"bridge-mappings": [{"localnet": "net"}]}},
    "a mapping by hand": {"ovs-db": {"external_ids": {"ovn-bridge-mappings": "a:b"}}},
    "a metric of none": {"interfaces": [up("eth1", ipv4={"enabled": True, "dhcp": True, "auto-route-metric": -5})]},
    "two metrics": {
        "interfaces": [
            up("eth1", ipv4={"enabled": True, "dhcp": True, "auto-route-metric": 5, "prefix-route-metric": 7})
        ]
    },
    "a token that is a prefix": {
        "interfaces": [up("eth1", ipv6={"enabled": True, "autoconf": True, "dhcp": True, "token": "2001:db8::1"})]
    },
    "an actor that is a group": {
        "interfaces": [bond(mode="802.3ad", options={"ad_actor_system": "01:00:5E:00:00:01"})]
    },
    "ports that are none": {"interfaces": [bond(**{"ports-config": [{"name": "eth2"}]})]},
    "two masks": {"interfaces": [bridge(**{"group-forward-mask": 1, "group-fwd-mask": 2})]},
    "a virtual function of no number": {"interfaces": [up("sriov:eth1:x")]},
    "a queue of three": {
        "interfaces": [
            up("d0", "ovs-interface", dpdk={"devargs": "0000:00:01.0", "n_rxq_desc": 3}),
            up("br-d", "ovs-bridge", bridge={"port": [{"name": "d0"}]}),
        ]
    },
    "flags against each other": {"interfaces": [up("eth1", mptcp={"address-flags": ["signal", "fullmesh"]})]},
    "a flow label too long": {
        "interfaces": [
            up("t0", "ip-tunnel", **{"ip-tunnel": {"mode": "ip6ip6", "local": "2001:db8::1", "remote": "2001:db8::2",
                                                   "flow-label": 2**20}})
        ]
    },
    "an odd name of a key": {
        "interfaces": [
            up("m", "macsec", macsec={"encrypt": True, "base-iface": "eth1", "mka-cak": "50b7" * 8, "mka-ckn": "f30",
                                      "port": 0, "validation": "strict", "send-sci": True})
        ]
    },
    "a route into nothing": {"routes": {"config": [route(destination="0.0.0.0/8")]}},
    "an IPv6 route with weight": {"routes": {"config": [route(destination="2001:db8:1::/64", weight=5)]}},
    "an option with a value that has none": {
        "dns-resolver": {"config": {"server": ["192.0.2.1"], "options": ["rotate:3"]}}
    },
    "a network that is none": {"route-rules": {"config": [{"ip-from": "x/y", "route-table": 200}]}},
}  # fmt: skip

REAL_NODE = {
    "interfaces": [
        {"name": "lo", "type": "loopback", "state": "up", "ipv4": address("127.0.0.1", 8)},
        *(up(f"eth{number}", **{"mac-address": f"02:00:00:00:00:0{number}"}) for number in range(3)),
        up("bond9", "bond", **{"link-aggregation": {"mode": "802.3ad", "port": []}}),
    ]
}
EMPTY_NODE: dict[str, Any] = {"interfaces": []}


@pytest.mark.parametrize("name", NO_NODE_CAN)
def test_what_no_node_can_do_is_refused(name: str) -> None:
    """With a path into the section that is wrong; and a node does refuse it, whatever it has."""
    state = NO_NODE_CAN[name]
    with pytest.raises(DesiredStateError) as caught:
        asyncio.run(refuse_impossible(Computing(), state))
    assert caught.value.path[0] == "desiredState"
    assert caught.value.path[1] in state
    for node in (REAL_NODE, EMPTY_NODE):
        with pytest.raises(HostError):
            asyncio.run(Computing().validate(msgspec.json.encode(state), msgspec.json.encode(node)))


def test_each_message_that_counts_is_said_of_one_of_these() -> None:
    """A message that libnmstate no longer says is to be taken from the table."""
    said = []
    for state in NO_NODE_CAN.values():
        node = msgspec.json.encode(made_up_node(state))
        with pytest.raises(HostError) as caught:
            asyncio.run(Computing().validate(msgspec.json.encode(state), node))
        said.append(caught.value.message)
    unsaid = [pattern for pattern, _ in EVERYWHERE if not any(re.search(pattern, each) for each in said)]
    assert unsaid == []


def test_of_very_many_interfaces_only_the_node_judges() -> None:
    """libnmstate's work grows faster than the state."""
    wrong = up("eth0", ipv4=address("2001:db8::1", 64))
    half = MAX_INTERFACES // 2  # each is there on the made-up node, too
    many = [up(f"eth{number}") for number in range(1, half + 1)]
    asyncio.run(refuse_impossible(Computing(), {"interfaces": [wrong, *many]}))
    with pytest.raises(DesiredStateError):
        asyncio.run(refuse_impossible(Computing(), {"interfaces": [wrong, *many[1:]]}))
