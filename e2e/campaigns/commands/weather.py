"""Good policies in bad weather: none may be rolled back for it, and the handler lives on.

unplugged   eth0's cable is out for 30 s, from the apply into the probes                     (--trials, default 5)
lossy       10 % of what leaves eth0 is lost, the rest is late by 300 ms                     (--lossy, default 50)
flapping    eth1's carrier goes and comes each half second, policies are applied meanwhile   (--minutes, default 5)
moves       eth0's address moves under a bridge and under a bond, and back                   (--trials, default 5)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

from e2e.campaigns.field import arguments, deployed, over_nodes, took_away
from e2e.campaigns.ledger import Ledger
from e2e.campaigns.moves import MOVES, move
from e2e.campaigns.weather import dummy, flapping, good_policy, lossy, unplugged_meanwhile
from e2e.kit import Cluster, Node

__all__ = ["main"]

SCENES = ("unplugged", "lossy", "flapping", "moves")


def main(argv: list[str]) -> int:
    parser = arguments("hack/weather", __doc__)
    parser.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--lossy", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args(argv)

    cluster = deployed(options.nodes)
    ledger = Ledger("weather")
    scenes: dict[str, Callable[[], None]] = {
        "unplugged": lambda: _unplugged(cluster, ledger, options.trials),
        "lossy": lambda: _lossy(cluster, ledger, options.lossy),
        "flapping": lambda: _flapping(cluster, ledger, options.minutes),
        "moves": lambda: _moves(cluster, ledger, options.trials),
    }
    for name in options.only:
        scenes[name]()
    return ledger.conclude(as_json=options.json)


def _unplugged(cluster: Cluster, ledger: Ledger, trials: int) -> None:
    node = cluster.nodes()[-1]
    for _ in range(trials):
        ledger.add(unplugged_meanwhile(cluster, node, seconds=30))


def _lossy(cluster: Cluster, ledger: Ledger, trials: int) -> None:
    """Generations of one policy on each node; the address changes each time, so that there is something to do."""

    def work(node: Node, numbers: range) -> None:
        policy = f"lossy-{node.name}"
        with took_away(cluster, policy), lossy(node, loss=10, delay=300):
            for number in numbers:
                ledger.add(good_policy(cluster, node, "lossy", policy, dummy("dummy7", f"203.0.113.{number + 1}")))
        node.exec("ip", "link", "delete", "dummy7", check=False)

    nodes = cluster.nodes()
    over_nodes(nodes, [range(i, trials, len(nodes)) for i in range(len(nodes))], work)


def _flapping(cluster: Cluster, ledger: Ledger, minutes: float) -> None:
    node = cluster.nodes()[-1]
    deadline = time.monotonic() + minutes * 60
    with took_away(cluster, "flapping"), flapping(node, "eth1"):
        for number in count(1):
            desired = dummy("dummy7", f"203.0.113.{number % 250 + 1}")
            ledger.add(good_policy(cluster, node, "flapping", "flapping", desired))
            if time.monotonic() > deadline:
                break
    node.exec("ip", "link", "delete", "dummy7", check=False)


def _moves(cluster: Cluster, ledger: Ledger, trials: int) -> None:
    profiles = {node.name: node.profiles() for node in cluster.nodes()}

    def work(node: Node, name: str) -> None:
        with took_away(cluster, f"{name}-{node.name}"):
            for trial in move(cluster, node, name):
                ledger.add(trial)
        node.reset(profiles[node.name])

    for _ in range(trials):
        over_nodes(cluster.nodes(), MOVES, work)
