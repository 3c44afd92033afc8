"""Applies, rollbacks and refusals on every node for so many minutes; then each handler holds no more than at first.

A round is four policies: a bond with a VLAN, their removal, one that a probe rolls back, one that is refused. After
two rounds (what is imported and cached once is there then) memory, threads, file descriptors, sockets, asyncio's
tasks and D-Bus connections are noted, and again at the end.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from itertools import count
from typing import Any

from e2e.campaigns.field import arguments, deployed, over_nodes
from e2e.campaigns.ledger import Ledger, Trial
from e2e.campaigns.soak import back_to, holdings, work
from e2e.kit import Cluster, Node

__all__ = ["main"]

WARM_UP = 2


def main(argv: list[str]) -> int:
    parser = arguments("hack/soak", __doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args(argv)

    cluster = deployed(options.nodes)
    ledger = Ledger("soak")
    figures: dict[str, Any] = {}

    def soak(node: Node, minutes: float) -> None:
        figures[node.name] = _soak(cluster, ledger, node, minutes)

    nodes = cluster.nodes()
    over_nodes(nodes, [options.minutes] * len(nodes), soak)
    return ledger.conclude(as_json=options.json, figures=figures)


def _soak(cluster: Cluster, ledger: Ledger, node: Node, minutes: float) -> dict[str, Any]:
    handler = cluster.handler_restarts()[node.name]
    for number in range(WARM_UP):
        _round(cluster, ledger, node, number)
    before, deadline = holdings(node), time.monotonic() + minutes * 60
    for number in count(WARM_UP):
        _round(cluster, ledger, node, number)
        if time.monotonic() > deadline:
            break
    after, more = back_to(node, before)
    if cluster.handler_restarts()[node.name] != handler:
        more.append("the handler was restarted")
    ledger.add(Trial("holdings", node.name, minutes * 60, tuple(more)))
    return {"rounds": number + 1, "before": asdict(before), "after": asdict(after)}


def _round(cluster: Cluster, ledger: Ledger, node: Node, number: int) -> None:
    begun = time.monotonic()
    problems = work(cluster, node, number)
    ledger.add(Trial("round", node.name, time.monotonic() - begun, tuple(problems)))
