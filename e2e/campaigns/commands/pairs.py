"""Fifteen states, all ordered pairs: after A and then B a node equals one that only had B.

Each node first gets each state by itself, from how it was at first; then one policy is edited along a walk that goes
from each state to each other once. Compared are links with all their settings, addresses, routes, rules, DNS and
profiles.
"""

from __future__ import annotations

from e2e.campaigns.field import arguments, deployed, over_nodes
from e2e.campaigns.ledger import Ledger
from e2e.campaigns.pairs import alone, walk
from e2e.campaigns.states import STATES
from e2e.campaigns.walk import every_pair
from e2e.kit import Node

__all__ = ["main"]


def main(argv: list[str]) -> int:
    parser = arguments("hack/pairs", __doc__)
    parser.add_argument("--only", nargs="+", metavar="STATE", choices=list(STATES), default=list(STATES))
    parser.add_argument("--steps", type=int, default=0, help="end after so many steps of the walk (default: all)")
    options = parser.parse_args(argv)

    cluster = deployed(options.nodes)
    ledger = Ledger("pairs")
    nodes = cluster.nodes()
    steps = every_pair(options.only, seed=options.seed)[: options.steps + 1 if options.steps else None]
    share = -(-(len(steps) - 1) // len(nodes))
    parts = [steps[i * share : (i + 1) * share + 1] for i in range(len(nodes))]

    def work(node: Node, part: list[str]) -> None:
        profiles = node.profiles()
        references = {name: alone(cluster, node, name, profiles) for name in dict.fromkeys(part)}
        try:
            walk(cluster, node, part, references, ledger.add)
        finally:
            node.reset(profiles)

    over_nodes(nodes, parts, work)
    return ledger.conclude(as_json=options.json, figures={"states": len(options.only)})
