"""From one state to the next: a seeded part of the walk that `hack/pairs` goes whole."""

from __future__ import annotations

import random

from e2e.campaigns.field import over_nodes
from e2e.campaigns.ledger import Ledger, failed
from e2e.campaigns.pairs import alone, walk
from e2e.campaigns.soak import back_to, holdings
from e2e.campaigns.states import NICS, STATES
from e2e.campaigns.walk import every_pair
from e2e.kit import Cluster, Node
from e2e.kit.wires import separate

SEED, AT_ONCE = 6, 3


def test_after_a_and_then_b_a_node_equals_one_that_only_had_b(cluster: Cluster, nodes: list[Node]) -> None:
    """All ordered pairs of three states on each node; and the handler holds no more at the end of the walk."""
    ledger = Ledger("pairs-short")
    chosen = random.Random(SEED).sample(list(STATES), AT_ONCE * len(nodes))
    leaks: list[str] = []

    def work(node: Node, names: list[str]) -> None:
        references = alone(cluster, node, names)
        before = holdings(node)
        walk(cluster, node, every_pair(names, seed=SEED), references, ledger.add)
        leaks.extend(back_to(node, before)[1])

    with separate(*NICS):
        over_nodes(nodes, [chosen[i * AT_ONCE :][:AT_ONCE] for i in range(len(nodes))], work)
    assert len(ledger.trials) == len(nodes) * AT_ONCE * (AT_ONCE - 1)
    assert not failed(ledger.trials), failed(ledger.trials)
    assert not leaks
