"""Good policies: Available on each node, the interfaces there, and there again after a reboot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition

Links = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A policy for all nodes; `address`, which no two nodes may share on one wire, makes it one policy a node."""

    name: str
    desired: Callable[[str], dict[str, Any]]
    holds: Callable[[Links, str], bool]
    addresses: tuple[str, ...] = ()

    def policies(self, cluster: Cluster, nodes: list[Node]) -> dict[str, tuple[dict[str, Any], list[Node]]]:
        """Policy name to (policy, the nodes that it is for)."""
        if not self.addresses:
            return {self.name: (cluster.policy(self.name, self.desired("")), nodes)}
        made = {}
        for node, address in zip(nodes, self.addresses, strict=True):
            name, selector = f"{self.name}-{node.name}", {"kubernetes.io/hostname": node.name}
            made[name] = (cluster.policy(name, self.desired(address), nodeSelector=selector), [node])
        return made

    def holds_on(self, nodes: list[Node], node: Node) -> bool:
        return self.holds(node.links(), self.addresses[nodes.index(node)] if self.addresses else "")


def _address(links: Links, name: str, address: str) -> bool:
    return any(f"{a['local']}/{a['prefixlen']}" == address for a in links[name]["addr_info"])


def _kind(links: Links, name: str) -> str:
    return str(links.get(name, {}).get("linkinfo", {}).get("info_kind", ""))


BOND_VLAN = Case(
    "bond-vlan",
    lambda _: {
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
            },
        ]
    },
    lambda links, _: (
        _kind(links, "bond1") == "bond"
        and links["bond1"]["linkinfo"]["info_data"]["mode"] == "active-backup"
        and all(links[port].get("master") == "bond1" for port in ("eth1", "eth2"))
        and links["bond1.102"]["linkinfo"]["info_data"]["id"] == 102
    ),
)

LINUX_BRIDGE = Case(
    "linux-bridge",
    lambda _: {
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
    lambda links, _: _kind(links, "br1") == "bridge" and links["eth1"].get("master") == "br1",
)

STATIC_IP = Case(
    "static-ip",
    lambda address: {
        "interfaces": [
            {
                "name": "eth1",
                "type": "ethernet",
                "state": "up",
                "ipv4": {
                    "enabled": True,
                    "dhcp": False,
                    "address": [{"ip": address, "prefix-length": 24}],
                },
            }
        ]
    },
    lambda links, address: "UP" in links["eth1"]["flags"] and _address(links, "eth1", f"{address}/24"),
    ("198.51.100.7", "198.51.100.8"),
)


@pytest.mark.parametrize("case", [BOND_VLAN, LINUX_BRIDGE, STATIC_IP], ids=lambda case: case.name)
def test_available_on_both_nodes_and_there_after_a_reboot(cluster: Cluster, nodes: list[Node], case: Case) -> None:
    """An Available policy is in the kernel of each node, still is after a reset, and its enactment tells of that.

    After a reboot an enactment passes through Progressing to Available again, with a later transition time.
    """
    policies = case.policies(cluster, nodes)
    cluster.apply(*(policy for policy, _ in policies.values()))
    for name, (_, its_nodes) in policies.items():
        available = condition(cluster.wait("nncp", name, "Available"), "Available")
        assert available["reason"] == "SuccessfullyConfigured"
        assert available["message"] == f"{len(its_nodes)}/{len(its_nodes)} nodes successfully configured"
        enactments = cluster.enactments(name)
        assert sorted(enactments) == [node.name for node in its_nodes]
        for enactment in enactments.values():
            assert condition(enactment, "Available")["status"] == "True"
            assert [owner["kind"] for owner in enactment["metadata"]["ownerReferences"]] == ["Node"]
    for node in nodes:
        assert case.holds_on(nodes, node), f"{case.name} is not in effect on {node.name}: {node.links()}"

    made_true = _transitions(cluster, policies)
    for node in nodes:
        node.power("reset")
    for node in nodes:
        eventually(
            f"{case.name} is in effect on {node.name} after the reset",
            lambda node=node: case.holds_on(nodes, node),
            timeout=90,
        )
        eventually(f"{node.name} Ready", lambda node=node: cluster.node_ready(node.name), timeout=120)
        assert "Kernel panic" not in node.console(), f"{node.name} did not end in good order: hack/lab logs --console"
    for enactment, before in made_true.items():
        eventually(
            f"{enactment} is Available anew",
            lambda enactment=enactment, before=before: _transitions(cluster, policies).get(enactment, before) > before,
            timeout=180,
        )


def _transitions(cluster: Cluster, policies: Iterable[str]) -> dict[str, str]:
    """Enactment to when it last became Available; those that are not are left out."""
    enactments = [each for name in policies for each in cluster.enactments(name).values()]
    conditions = {each["metadata"]["name"]: condition(each, "Available") for each in enactments}
    return {name: found["lastTransitionTime"] for name, found in conditions.items() if found["status"] == "True"}


def test_the_node_state_shows_the_effect_at_once(cluster: Cluster, nodes: list[Node]) -> None:
    """Five seconds after Available the NodeNetworkState of each node has the new interface."""
    cluster.apply(cluster.policy(LINUX_BRIDGE.name, LINUX_BRIDGE.desired("")))
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
