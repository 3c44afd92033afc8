"""Good policies in bad weather: none may be rolled back for it, and the handler lives on.

flapping    eth1's carrier goes and comes each half second, policies are applied meanwhile   (--minutes, default 5)
lossy       10 % of what leaves eth0 is lost, the rest is late by 300 ms                     (--lossy, default 50)
unplugged   eth0's cable is out for 30 s, from the apply into the probes                     (--trials, default 5)
moves       eth0's address moves under a bridge and under a bond, and back                   (--trials, default 5)

The nodes share the trials; each has one kind of weather at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import count

from e2e.campaigns.field import arguments, deployed, over_nodes, took_away
from e2e.campaigns.ledger import Ledger
from e2e.campaigns.moves import MOVES, move
from e2e.campaigns.weather import dummy, flapping, forget, good_policy, lossy, unplugged_meanwhile
from e2e.kit import Cluster, Node

__all__ = ["main"]

SCENES = ("flapping", "lossy", "unplugged", "moves")
AT_ONCE = 10
"""Lossy trials that one node does in a row."""
Work = Callable[[Node], None]


def main(argv: list[str]) -> int:
    parser = arguments("hack/weather", __doc__)
    parser.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--lossy", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args(argv)

    cluster = deployed(options.nodes)
    ledger = Ledger("weather")
    scenes = _Scenes(cluster, ledger)
    works: dict[str, list[Work]] = {
        "flapping": [partial(scenes.flapping, options.minutes)],
        "lossy": [partial(scenes.lossy, part) for part in _parts(options.lossy)],
        "unplugged": [scenes.unplugged] * options.trials,
        "moves": [partial(scenes.move, name) for name in MOVES] * options.trials,
    }
    chosen = [(name, work) for name in SCENES if name in options.only for work in works[name]]
    over_nodes(cluster.nodes(), chosen, lambda node, one: ledger.attempt(one[0], node.name, lambda: one[1](node)))
    return ledger.conclude(as_json=options.json)


def _parts(trials: int) -> list[range]:
    return [range(first, min(first + AT_ONCE, trials)) for first in range(0, trials, AT_ONCE)]


class _Scenes:
    """One kind of weather on one node, for one or more trials."""

    def __init__(self, cluster: Cluster, ledger: Ledger) -> None:
        self._cluster, self._ledger = cluster, ledger
        self._profiles = {node.name: node.profiles() for node in cluster.nodes()}

    def unplugged(self, node: Node) -> None:
        self._ledger.add(unplugged_meanwhile(self._cluster, node, seconds=30))

    def lossy(self, numbers: range, node: Node) -> None:
        """Generations of one policy; the address changes each time, so that there is something to do."""
        with took_away(self._cluster, f"lossy-{node.name}"), lossy(node, loss=10, delay=300):
            for number in numbers:
                self._good(node, "lossy", number)
        forget(node, "dummy7")

    def flapping(self, minutes: float, node: Node) -> None:
        deadline = time.monotonic() + minutes * 60
        with took_away(self._cluster, f"flapping-{node.name}"), flapping(node, "eth1"):
            for number in count():
                self._good(node, "flapping", number)
                if time.monotonic() > deadline:
                    break
        forget(node, "dummy7")

    def move(self, name: str, node: Node) -> None:
        with took_away(self._cluster, f"{name}-{node.name}"):
            for trial in move(self._cluster, node, name):
                self._ledger.add(trial)
        node.reset(self._profiles[node.name])

    def _good(self, node: Node, name: str, number: int) -> None:
        desired = dummy("dummy7", f"203.0.113.{number % 250 + 1}")
        self._ledger.add(good_policy(self._cluster, node, name, f"{name}-{node.name}", desired))
