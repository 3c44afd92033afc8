"""The uplink's address moves under a bond and under a bridge, and back to the NIC."""

from __future__ import annotations

from e2e.campaigns.field import over_nodes, took_away
from e2e.campaigns.ledger import Ledger, failed
from e2e.campaigns.moves import move
from e2e.kit import Cluster, Node

NAMES = ("bond-leased", "bridge-static")


def test_the_uplink_moves_and_comes_back_and_the_handler_lives_on(cluster: Cluster, nodes: list[Node]) -> None:
    """Available both times, the same address, the node Ready, no handler restarted."""
    ledger = Ledger("moves-short")

    def work(node: Node, name: str) -> None:
        with took_away(cluster, f"{name}-{node.name}"):
            for trial in move(cluster, node, name):
                ledger.add(trial)

    over_nodes(nodes, NAMES, work)
    assert len(ledger.trials) == 2 * len(NAMES)
    assert not failed(ledger.trials), failed(ledger.trials)
