"""Policies that cut their node off: a seeded handful of what `hack/cutoff` tries all of."""

from __future__ import annotations

import random

from e2e.campaigns.cutoff import cut_off
from e2e.campaigns.field import over_nodes
from e2e.campaigns.kinds import KINDS, Kind
from e2e.campaigns.ledger import Ledger, failed
from e2e.kit import Cluster, Node

SEED, HANDFUL = 6, 4


def test_a_node_that_a_policy_cuts_off_rolls_back_whole_and_names_the_probe(
    cluster: Cluster, nodes: list[Node]
) -> None:
    """Whatever the cut is made with: the state is as before, nothing is left open, the handler lived on."""
    ledger = Ledger("cutoff-short")

    def trial(node: Node, kind: Kind) -> None:
        ledger.add(cut_off(cluster, node, kind, probe_seconds=8))

    over_nodes(nodes, random.Random(SEED).sample(KINDS, HANDFUL), trial)
    assert len(ledger.trials) == HANDFUL
    assert not failed(ledger.trials), failed(ledger.trials)
