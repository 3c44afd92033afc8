"""The node's only way to the API server changes under the handler's feet."""

from __future__ import annotations

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition

BRIDGE_OVER_ETH0 = """
apiVersion: nmstate.io/v1beta1
kind: NodeNetworkConfigurationPolicy
metadata:
  name: br1-eth0
spec:
  desiredState:
    interfaces:
    - name: br1
      type: linux-bridge
      state: up
      ipv4:
        dhcp: true
        enabled: true
      bridge:
        port:
        - name: eth0
"""

NO_ADDRESS = {
    "interfaces": [
        {
            "name": "eth0",
            "type": "ethernet",
            "state": "up",
            "ipv4": {"enabled": False},
            "ipv6": {"enabled": False},
        }
    ]
}


def test_the_address_moves_to_a_bridge_and_the_handler_lives_on(cluster: Cluster, nodes: list[Node]) -> None:
    """A bridge over eth0 gets eth0's address; the nodes stay Ready and no handler is restarted."""
    before = {node.name: [a for a in node.addresses("eth0") if ":" not in a] for node in nodes}
    handlers = cluster.handler_restarts()
    assert all(before.values()), before

    cluster.apply(BRIDGE_OVER_ETH0)
    cluster.wait("nncp", "br1-eth0", "Available", timeout=240)

    for node in nodes:
        assert [a for a in node.addresses("br1") if ":" not in a] == before[node.name]
        assert node.links()["eth0"]["master"] == "br1"
        assert cluster.node_ready(node.name)
    assert cluster.handler_restarts() == handlers


def test_a_policy_that_takes_the_nodes_address_is_rolled_back(cluster: Cluster, nodes: list[Node]) -> None:
    """A node that loses its address gets it back, is Ready, and the message names the probe that failed."""
    node = nodes[-1]
    before = node.state()
    selector = {"kubernetes.io/hostname": node.name}

    probes = {"timeoutSeconds": 12}
    cluster.apply(cluster.policy("no-address", NO_ADDRESS, nodeSelector=selector, probes=probes))
    policy = cluster.wait("nncp", "no-address", "Degraded", timeout=150)

    assert condition(policy, "Degraded")["reason"] == "FailedToConfigure"
    failing = condition(cluster.enactments("no-address")[node.name], "Failing")
    assert failing["reason"] == "FailedToConfigure"
    assert node.name in failing["message"]
    assert any(probe in failing["message"] for probe in ("ping", "dns", "api-server", "node-readiness"))
    assert "rolled back" in failing["message"]
    assert len(failing["message"]) <= 300
    node.is_again(before, timeout=30)
    eventually(f"{node.name} Ready", lambda: cluster.node_ready(node.name), timeout=90)
