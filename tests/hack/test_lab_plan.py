"""The address plan gives every node what is its own."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from hack.cluster import network, plan
from hack.cluster.errors import LabError

NODES = [plan.Node(number) for number in range(1, plan.MAX_NODES + 1)]


def _own(node: plan.Node) -> Iterator[str]:
    """Everything that only this node may have."""
    yield from (node.name, node.management, node.pods, *node.taps())
    yield from (node.mac(nic) for nic in plan.NICS)
    yield from (node.wire_mac(number) for number in range(4))
    yield from (address for wire in plan.WIRES for address in node.lease(wire))


def test_no_two_nodes_share_anything() -> None:
    """Names, MACs, addresses, pod ranges and taps of all possible nodes differ."""
    own = [thing for node in NODES for thing in _own(node)] + [wire.mac for wire in plan.WIRES]
    assert len(own) == len(set(own))


@pytest.mark.parametrize("node", [NODES[0], NODES[-1]], ids=lambda n: n.name)
def test_addresses_are_where_routes_lead(node: plan.Node) -> None:
    """A node's address is on eth0's wire, its pods in the cluster's range, and no range overlaps another."""
    networks = [ipaddress.ip_network(n) for n in (plan.NETWORK, plan.POD_NETWORK, plan.SERVICE_NETWORK)]
    assert ipaddress.ip_address(node.address) in networks[0]
    assert ipaddress.ip_address(node.lease(plan.WIRES[0])[1]) in ipaddress.ip_network(plan.NETWORK6)
    assert ipaddress.ip_network(node.pods).subnet_of(networks[1])  # type: ignore[arg-type]
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)


def test_interface_names_fit_the_kernel() -> None:
    """A network interface's name has 15 characters at most."""
    assert max(len(tap) for node in NODES for tap in node.taps()) <= 15


def test_names_and_nodes_are_one_to_one() -> None:
    """Each node is found by its name, and by nothing that only looks like it."""
    assert [plan.node(n.name) for n in NODES] == NODES
    assert all(plan.node(name) is None for name in ("node0", "node65", "node01", "node", "node-1", "1", "", "node1 "))


def test_an_unknown_node_is_told_with_a_remedy() -> None:
    with pytest.raises(LabError, match="status"):
        plan.find_node("worker1")


def test_only_the_first_node_is_the_control_plane() -> None:
    assert [n.name for n in NODES if n.control_plane] == ["node1"]


def test_a_half_made_node_is_completed() -> None:
    """Taps that exist are not made again; the way to the pods is set in any case."""
    node = plan.Node(2)
    whole, rest = network.node_batch(node), network.node_batch(node, node.taps()[:2])
    assert [tap for tap in node.taps() if f"add dev {tap} " in whole] == list(node.taps())
    assert [tap for tap in node.taps() if f"add dev {tap} " in rest] == list(node.taps()[2:])
    assert f"route replace {node.pods} via {node.address}" in rest
