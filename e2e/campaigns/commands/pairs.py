"""Fifteen states, all ordered pairs: after A and then B a node equals one that only had B.

Each node first gets each state by itself, from how it was at first; then one policy is edited along a walk that goes
from each state to each other once. Compared are links with all their settings, addresses, routes, rules, DNS and
profiles. The nodes share the walk. What was found is kept in build/campaigns, so that --resume goes on there.
"""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

from e2e.campaigns.field import arguments, deployed, over_nodes
from e2e.campaigns.ledger import EVIDENCE, Ledger, Trial
from e2e.campaigns.pairs import alone, walk
from e2e.campaigns.states import NICS, STATES
from e2e.campaigns.walk import every_pair
from e2e.kit import Cluster, Node
from e2e.kit.wires import separate

__all__ = ["main"]


def main(argv: list[str]) -> int:
    parser = arguments("hack/pairs", __doc__)
    parser.add_argument("--only", nargs="+", metavar="STATE", choices=list(STATES), default=list(STATES))
    parser.add_argument("--minutes", type=float, default=600, help="end after so many minutes (default: when done)")
    parser.add_argument("--resume", action="store_true", help="go on where the last run with this seed ended")
    options = parser.parse_args(argv)

    cluster = deployed(options.nodes)
    nodes = cluster.nodes()
    ledger = Ledger("pairs")
    steps = every_pair(options.only, seed=options.seed)
    share = -(-(len(steps) - 1) // len(nodes))
    deadline = time.monotonic() + options.minutes * 60
    parts = {node.name: steps[i * share : (i + 1) * share + 1] for i, node in enumerate(nodes)}

    def work(node: Node, _: int) -> None:
        kept = _Kept(node, options.seed, resume=options.resume)
        _go(cluster, node, parts[node.name], kept, ledger, deadline)

    with separate(*NICS):
        over_nodes(nodes, range(len(nodes)), work)
    return ledger.conclude(as_json=options.json, figures={"states": len(options.only), "pairs": len(steps) - 1})


class _Kept:
    """What is known of one node between runs: each state alone, and the trials so far."""

    def __init__(self, node: Node, seed: int, *, resume: bool) -> None:
        self._path = EVIDENCE / f"pairs-{seed}-{node.name}.json"
        self.references: dict[str, Any] = {}
        self.trials: list[dict[str, Any]] = []
        if resume and self._path.exists():
            found = json.loads(self._path.read_text())
            self.references, self.trials = found["references"], found["trials"]

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({"references": self.references, "trials": self.trials}))


def _go(cluster: Cluster, node: Node, part: list[str], kept: _Kept, ledger: Ledger, deadline: float) -> None:
    """Go on with this node's part of the walk until it, or the time, is over."""
    for known in kept.trials:
        ledger.add(Trial(known["name"], node.name, known["seconds"], tuple(known["problems"])))
    profiles = node.profiles()
    for name in dict.fromkeys(part):
        if name not in kept.references and time.monotonic() < deadline:
            kept.references |= alone(cluster, node, [name])
            kept.save()

    def tell(trial: Trial) -> None:
        ledger.add(trial)
        kept.trials.append({"name": trial.name, "seconds": trial.seconds, "problems": trial.problems})
        kept.save()

    done = len(kept.trials)
    ahead = [f"{a}>{b}" for a, b in pairwise(part)]
    assert [known["name"] for known in kept.trials] == ahead[:done], "the last run walked otherwise"
    try:
        if time.monotonic() < deadline and done < len(ahead):
            walk(cluster, node, part[done:], kept.references, tell, deadline=deadline)
    finally:
        node.reset(profiles)
