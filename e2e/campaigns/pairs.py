"""From state A to state B on one node: afterwards the node is as B alone would have made it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
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


def alone(cluster: Cluster, node: Node, names: Iterable[str]) -> dict[str, Json]:
    """What the node looks like with each state by itself, from how it was at first and is again after each."""
    profiles, first, found = node.profiles(), steady_sight(node), {}
    for name in names:
        policy = f"alone-{node.name}"
        try:
            with took_away(cluster, policy):
                problem, evidence = _apply(cluster, node, policy, name)
                assert not problem, f"{name} alone on {node.name}: {problem}\n{evidence}"
                found[name] = steady_sight(node)
        finally:
            node.reset(profiles)
        unlike = list(differences(first, _seen(node, first)))
        assert not unlike, f"{node.name} is not as at first after {name}: {unlike}"
    return found


def walk(
    cluster: Cluster,
    node: Node,
    names: Sequence[str],
    references: dict[str, Json],
    tell: Callable[[Trial], None],
    *,
    deadline: float = math.inf,
) -> None:
    """One policy, edited from state to state; each step is a trial."""
    policy = f"walk-{node.name}"
    with took_away(cluster, policy):
        problem, evidence = _apply(cluster, node, policy, names[0])
        assert not problem, f"{names[0]} on {node.name}: {problem}\n{evidence}"
        for before, after in pairwise(names):
            if time.monotonic() > deadline:
                return
            begun = time.monotonic()
            name, seen = f"{before}>{after}", references[after]
            problem, evidence = _apply(cluster, node, policy, after)
            if not problem:
                seen = _seen(node, references[after])
            unlike = tuple(filter(None, (problem, *differences(references[after], seen))))
            tell(Trial(name, node.name, time.monotonic() - begun, unlike, evidence=evidence))


def _seen(node: Node, want: Json) -> Json:
    """The sight that is wanted, once it is there; else the last one."""
    seen: list[Json] = []

    def as_wanted() -> bool:
        seen.append(sight(node))
        return seen[-1] == want

    try:
        eventually("as wanted", as_wanted, timeout=SETTLE_SECONDS, every=0.5)
    except AssertionError:
        return seen[-1]
    return want


def _apply(cluster: Cluster, node: Node, policy: str, name: str) -> tuple[str, str]:
    """Returns when the attempt has ended: empty where the node has made the state true, else why not, and evidence."""
    generation = apply_to(cluster, node, policy, STATES[name])
    enactment = ended(cluster, node, policy, generation, timeout=APPLY_SECONDS)
    if condition(enactment, "Available").get("status") == "True":
        return "", ""
    return condition(enactment, "Failing").get("message", "neither Available nor Failing"), cluster.tell(policy)
