"""What the OpenShift console's wizard writes, sends and reads."""

from __future__ import annotations

import json
from typing import Any

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import first_true
from e2e.kit.console import EMPTY_BRIDGE, MAPPINGS, OVS_OVER_BOND, bond
from e2e.kit.examples import eth

Json = dict[str, Any]

OVS_AWAY: Json = {
    "interfaces": [
        {"name": "ovs-br1", "type": "ovs-interface", "state": "absent"},
        {"name": "ovs-br1", "type": "ovs-bridge", "state": "absent"},
        {"name": "br0", "type": "linux-bridge", "state": "absent"},
        eth("eth1"),
        eth("eth2"),
    ],
    "ovn": {"bridge-mappings": [{"localnet": "physnet", "state": "absent"}]},
}


def test_the_shapes_of_the_wizard_are_in_effect_and_go_again(cluster: Cluster, nodes: list[Node]) -> None:
    """OVN mappings without interfaces, an OVS bridge over a bond, an empty bridge: each on the node as it says."""
    before = {node.name: node.sh("ovs-vsctl get open . external_ids") for node in nodes}
    shapes = {"mappings": MAPPINGS, "ovs-over-bond": OVS_OVER_BOND, "empty-bridge": EMPTY_BRIDGE}
    for name, desired in shapes.items():
        _send(cluster, "create", cluster.policy(name, desired, maxUnavailable=len(nodes)))
    for name in shapes:
        cluster.wait("nncp", name, "Available")
    for node in nodes:
        assert _ovs(node, "get open . external_ids:ovn-bridge-mappings") == '"physnet:ovs-br1"'
        assert _ovs(node, "list-ports ovs-br1").split() == ["bond1"]
        assert _ovs(node, "get port bond1 bond_mode") == "balance-slb"
        assert _ovs(node, "get bridge ovs-br1 mcast_snooping_enable") == "true"
        assert set(_ovs(node, "list-ifaces ovs-br1").split()) == {"eth1", "eth2"}
        links = node.links()
        assert links["ovs-br1"]["linkinfo"]["info_kind"] == "openvswitch"
        assert links["br0"]["linkinfo"]["info_kind"] == "bridge"

    cluster.apply(cluster.policy("away", OVS_AWAY, maxUnavailable=len(nodes)))
    cluster.wait("nncp", "away", "Available")
    for node in nodes:
        assert node.ovs_bridges() == []
        assert "br0" not in node.links()
        assert node.sh("ovs-vsctl get open . external_ids") == before[node.name]


def test_the_console_creates_edits_and_reads(cluster: Cluster, nodes: list[Node]) -> None:
    """Create, a full PUT, and what its pages show of policy, enactments and node states."""
    policy = cluster.policy("from-the-wizard", bond(), maxUnavailable=len(nodes))
    policy["metadata"]["annotations"] = {"description": "two cards as one"}
    _send(cluster, "create", policy)
    cluster.wait("nncp", "from-the-wizard", "Available")
    assert all(node.links()["eth1"]["master"] == "bond0" for node in nodes)

    stored = cluster.get("nncp", "from-the-wizard")
    stored["spec"]["desiredState"] = bond(miimon="120")
    _send(cluster, "replace", stored)
    policy = cluster.wait("nncp", "from-the-wizard", "Available")
    assert policy["metadata"]["annotations"]["description"] == "two cards as one"
    assert policy["spec"]["desiredState"] == bond(miimon="120")
    for name, enactment in cluster.enactments("from-the-wizard").items():
        assert [owner["name"] for owner in enactment["metadata"]["ownerReferences"]] == [name]
        assert first_true(enactment) == "Available"
        assert [each["name"] for each in enactment["status"]["desiredState"]["interfaces"]] == ["bond0"]
    for node in nodes:
        assert node.links()["bond0"]["linkinfo"]["info_data"]["miimon"] == 120
        eventually(f"the console shows the bond of {node.name}", lambda n=node: _shown(cluster, n), timeout=10)
    cluster.delete("nncp", "from-the-wizard")
    assert all("bond0" in node.links() for node in nodes)


def _shown(cluster: Cluster, node: Node) -> bool:
    """Whether the page of the node's state has what it draws: for each interface name, type and state; the bond."""
    state = cluster.get("nns", node.name)
    interfaces = state["status"]["currentState"]["interfaces"]
    assert state["metadata"]["ownerReferences"][0]["name"] == node.name
    assert all({"name", "type", "state"} <= each.keys() for each in interfaces)
    return any(each["name"] == "bond0" and each["link-aggregation"]["port"] == ["eth1", "eth2"] for each in interfaces)


def _send(cluster: Cluster, verb: str, policy: Json) -> None:
    cluster.kubectl(verb, "-f", "-", input=json.dumps(policy))


def _ovs(node: Node, command: str) -> str:
    return node.sh(f"ovs-vsctl {command}").strip()
