"""An interface that somebody set up by hand: NetworkManager only watches it, and no profile knows what it has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.faults.points import Points
from e2e.faults.story import Story
from e2e.kit import Cluster, Node, eventually

NAME, POLICY = "byhand9", "watched"
SET_UP = f"""
ip link add {NAME} type dummy
ip address add 192.0.2.77/24 dev {NAME}
ip link set {NAME} up
ip route add 198.51.100.0/24 via 192.0.2.1 dev {NAME}
"""
CHANGE = {
    "interfaces": [
        {
            "name": NAME,
            "type": "dummy",
            "state": "up",
            "ipv4": {"enabled": True, "dhcp": False, "address": [{"ip": "203.0.113.9", "prefix-length": 24}]},
        }
    ]
}


@pytest.fixture
def node(nodes: list[Node]) -> Iterator[Node]:
    node = nodes[-1]
    node.sh(SET_UP)
    eventually(
        "NetworkManager watches it", lambda: "externally" in node.sh(f"nmcli -t device | grep {NAME}"), timeout=30
    )
    yield node
    node.sh(f"ip link delete {NAME}", check=False)


def _has(node: Node) -> str:
    return node.sh(f"ip -o address show dev {NAME}; ip route show dev {NAME}; nmcli -t device | grep {NAME}")


def test_it_has_what_it_had_after_networkmanager_died_in_the_middle_of_a_change(cluster: Cluster, node: Node) -> None:
    """Addresses, routes, and nobody manages it; the attempt says so, and the next one is carried out."""
    before = _has(node)
    points = Points(node)
    points.arm({"before-probe": "once:hold"})
    try:
        with Story(cluster, POLICY) as story:
            cluster.apply(cluster.policy(POLICY, CHANGE, nodeSelector={"kubernetes.io/hostname": node.name}))
            points.wait("before-probe")
            assert node.addresses(NAME) == ["203.0.113.9/24"]
            node.sh("kill -9 $(pidof NetworkManager)")
            points.arm({"before-flush": "once:hold"})
            points.wait("before-flush", timeout=120)
            assert _has(node) == before
            points.clear()
            told = story.wait("a failure", lambda version: version.phase == "Retrying", timeout=60)
            assert "NetworkManager was restarted" in told.message
            assert "not as before" not in told.message
            story.ends("Available", timeout=120)
        assert node.addresses(NAME) == ["203.0.113.9/24"]
    finally:
        points.clear()
