"""Good policies: Available on each node, the interfaces there, and there again after a reboot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition

Links = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    name: str
    desired: dict[str, Any]
    holds: Callable[[Links], bool]


def _address(links: Links, name: str, address: str) -> bool:
    return any(f"{a['local']}/{a['prefixlen']}" == address for a in links[name]["addr_info"])


def _kind(links: Links, name: str) -> str:
    return str(links.get(name, {}).get("linkinfo", {}).get("info_kind", ""))


BOND_VLAN = Case(
    "bond-vlan",
    {
        "interfaces": [
            {
                "name": "bond1",
                "type": "bond",
                "state": "up",
                "link-aggregation": {
                    "mode": "active-backup",
                    "options": {"miimon": "140"},
                    "port": ["eth1", "eth2"],
                },
            },
            {
                "name": "bond1.102",
                "type": "vlan",
                "state": "up",
                "vlan": {"base-iface": "bond1", "id": 102},
                "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.102", "prefix-length": 24}]},
            },
        ]
    },
    lambda links: (
        _kind(links, "bond1") == "bond"
        and links["bond1"]["linkinfo"]["info_data"]["mode"] == "active-backup"
        and all(links[port].get("master") == "bond1" for port in ("eth1", "eth2"))
        and links["bond1.102"]["linkinfo"]["info_data"]["id"] == 102
        and _address(links, "bond1.102", "192.0.2.102/24")
    ),
)

LINUX_BRIDGE = Case(
    "linux-bridge",
    {
        "interfaces": [
            {
                "name": "br1",
                "type": "linux-bridge",
                "state": "up",
                "ipv4": {"enabled": False},
                "bridge": {"options": {"stp": {"enabled": False}}, "port": [{"name": "eth1"}]},
            }
        ]
    },
    lambda links: _kind(links, "br1") == "bridge" and links["eth1"].get("master") == "br1",
)

STATIC_IP = Case(
    "static-ip",
    {
        "interfaces": [
            {
                "name": "eth1",
                "type": "ethernet",
                "state": "up",
                "ipv4": {
                    "enabled": True,
                    "dhcp": False,
                    "address": [{"ip": "198.51.100.7", "prefix-length": 24}],
                },
            }
        ]
    },
    lambda links: "UP" in links["eth1"]["flags"] and _address(links, "eth1", "198.51.100.7/24"),
)


@pytest.mark.parametrize("case", [BOND_VLAN, LINUX_BRIDGE, STATIC_IP], ids=lambda case: case.name)
def test_available_on_both_nodes_and_there_after_a_reboot(cluster: Cluster, nodes: list[Node], case: Case) -> None:
    """An Available policy is in the kernel of each node, and still is when the node has been reset."""
    cluster.apply(cluster.policy(case.name, case.desired))
    policy = cluster.wait("nncp", case.name, "Available")
    assert condition(policy, "Available")["reason"] == "SuccessfullyConfigured"
    assert condition(policy, "Available")["message"] == "2/2 nodes successfully configured"

    enactments = cluster.enactments(case.name)
    assert sorted(enactments) == [node.name for node in nodes]
    for node in nodes:
        assert condition(enactments[node.name], "Available")["status"] == "True"
        assert [o["kind"] for o in enactments[node.name]["metadata"]["ownerReferences"]] == ["Node"]
        assert case.holds(node.links()), f"{case.name} is not in effect on {node.name}: {node.links()}"

    for node in nodes:
        node.power("reset")
    for node in nodes:
        eventually(
            f"{case.name} is in effect on {node.name} after the reset",
            lambda node=node: case.holds(node.links()),
            timeout=90,
        )
        eventually(f"{node.name} Ready", lambda node=node: cluster.node_ready(node.name), timeout=120)


def test_a_reboot_is_told_by_the_enactment(cluster: Cluster, nodes: list[Node]) -> None:
    """After a reboot an enactment passes through Progressing to Available again, with a later transition time."""
    cluster.apply(cluster.policy(STATIC_IP.name, STATIC_IP.desired))
    cluster.wait("nncp", STATIC_IP.name, "Available")
    node = nodes[-1]
    before = condition(cluster.enactments(STATIC_IP.name)[node.name], "Available")["lastTransitionTime"]

    node.power("reset")

    eventually(
        "the enactment is Available anew",
        lambda: (
            (again := condition(cluster.enactments(STATIC_IP.name)[node.name], "Available"))["status"] == "True"
            and again["lastTransitionTime"] > before
        ),
        timeout=180,
    )


def test_the_node_state_shows_the_effect_at_once(cluster: Cluster, nodes: list[Node]) -> None:
    """Five seconds after Available the NodeNetworkState of each node has the new interface."""
    cluster.apply(cluster.policy(LINUX_BRIDGE.name, LINUX_BRIDGE.desired))
    cluster.wait("nncp", LINUX_BRIDGE.name, "Available")

    for node in nodes:
        eventually(
            f"the NodeNetworkState of {node.name} has br1",
            lambda node=node: any(
                i["name"] == "br1" and i["type"] == "linux-bridge" and i["state"] == "up"
                for i in cluster.get("nns", node.name)["status"]["currentState"]["interfaces"]
            ),
            timeout=5,
        )
