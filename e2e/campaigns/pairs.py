"""From state A to state B on one node: afterwards the node is as B alone would have made it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

from e2e.campaigns.attempt import apply_to, ended
from e2e.campaigns.field import took_away
from e2e.campaigns.ledger import Trial
from e2e.campaigns.sight import Json, differences, sight, steady_sight
from e2e.campaigns.states import STATES
from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition

__all__ = ["alone", "walk"]

APPLY_SECONDS = 180.0
SETTLE_SECONDS = 30.0


def alone(cluster: Cluster, node: Node, name: str, profiles: dict[str, str]) -> Json:
    """What the node looks like when the state is applied to it as it was at first; it is as at first again after."""
    policy = f"alone-{node.name}"
    try:
        with took_away(cluster, policy):
            _apply(cluster, node, policy, name)
            return steady_sight(node)
    finally:
        node.reset(profiles)


def walk(
    cluster: Cluster, node: Node, names: Sequence[str], references: dict[str, Json], tell: Callable[[Trial], None]
) -> None:
    """One policy, edited from state to state; each step is a trial. It ends where a state does not become Available."""
    policy = f"walk-{node.name}"
    with took_away(cluster, policy):
        _apply(cluster, node, policy, names[0])
        for before, after in pairwise(names):
            begun = time.monotonic()
            _apply(cluster, node, policy, after)
            tell(_compared(node, f"{before}>{after}", references[after], begun))


def _compared(node: Node, name: str, want: Json, begun: float) -> Trial:
    seen: list[Json] = []

    def as_alone() -> bool:
        seen.append(sight(node))
        return seen[-1] == want

    try:
        eventually(name, as_alone, timeout=SETTLE_SECONDS, every=0.5)
    except AssertionError:
        return Trial(name, node.name, time.monotonic() - begun, tuple(differences(want, seen[-1])))
    return Trial(name, node.name, time.monotonic() - begun)


def _apply(cluster: Cluster, node: Node, policy: str, name: str) -> None:
    """Returns when the node has made the state true. A failed attempt raises with all that there is to see."""
    generation = apply_to(cluster, node, policy, STATES[name])
    enactment = ended(cluster, node, policy, generation, timeout=APPLY_SECONDS)
    assert condition(enactment, "Available").get("status") == "True", f"{name} on {node.name}: {cluster.tell(policy)}"
