"""Every kind of policy that cuts a node off, as often as asked for.

Each trial applies one policy to one node, and passes if the node rolls back by itself, its whole state (links,
addresses, routes, rules, DNS, host name, profiles) is as before, the enactment names a probe that had to fail, no
transaction is left open and the handler lived on.
"""

from __future__ import annotations

import random

from e2e.campaigns.cutoff import cut_off
from e2e.campaigns.field import arguments, deployed, over_nodes
from e2e.campaigns.kinds import KINDS, Kind
from e2e.campaigns.ledger import Ledger
from e2e.kit import Node

__all__ = ["main"]


def main(argv: list[str]) -> int:
    parser = arguments("hack/cutoff", __doc__)
    parser.add_argument("--trials", type=int, default=2, help="how often each kind is tried (default 2)")
    parser.add_argument("--only", nargs="+", metavar="KIND", choices=[kind.name for kind in KINDS], default=[])
    parser.add_argument("--probe-seconds", type=int, default=10, help="how long probes are tried (default 10)")
    options = parser.parse_args(argv)

    kinds = [kind for kind in KINDS if not options.only or kind.name in options.only]
    cluster = deployed(options.nodes)
    ledger = Ledger("cutoff")

    def trial(node: Node, kind: Kind) -> None:
        ledger.attempt(
            kind.name, node.name, lambda: ledger.add(cut_off(cluster, node, kind, probe_seconds=options.probe_seconds))
        )

    order = random.Random(options.seed)
    for _ in range(options.trials):
        over_nodes(cluster.nodes(), order.sample(kinds, len(kinds)), trial)
    return ledger.conclude(as_json=options.json, figures={"kinds": len(kinds)})
