"""Where a policy stands with its own enactments and steps: read alike by who rolls out and by who sums up."""

from __future__ import annotations

__all__ = ["own_enactments", "standing_of"]

from collections.abc import Mapping
from datetime import datetime

from nmstate_k8s.controllers.world import World
from nmstate_k8s.domain.enactment.gate import Gate, gate
from nmstate_k8s.domain.policy.facts import EnactmentFacts, PolicyFacts


def own_enactments(policy: PolicyFacts, nodes: Mapping[str, object], world: World) -> dict[str, EnactmentFacts]:
    """The enactments of that very policy on these nodes, by node."""
    return {
        each.node: each for each in world.enactments(policy.name) if each.node in nodes and each.made_for(policy.uid)
    }


def standing_of(policy: PolicyFacts, enactments: Mapping[str, EnactmentFacts], *, nodes: int, now: datetime) -> Gate:
    """Where a policy that matches so many nodes stands with its steps."""
    return gate(
        policy.rollout,
        policy.verbs,
        generation=policy.generation,
        nodes=nodes,
        enactments=enactments.values(),
        now=now,
    )
