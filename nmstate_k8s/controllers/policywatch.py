"""When a policy is worth a look: for its rollout, and for its status.

The policies; of Nodes, what selects or admits them; handler pods as they come and go; of enactments, what they report;
of an NMState, what all policies share.
"""

from __future__ import annotations

__all__ = ["said_anew", "watch_policies"]

from typing import Final

from nmstate_k8s.api.meta import POLICY_LABEL
from nmstate_k8s.controllers.world import World
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.mappers import Mapper, label_value
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.predicates import Predicate, any_of, changed, generation_changed
from nmstate_k8s.core.store import Store
from nmstate_k8s.domain.policy.facts import enactment_facts, node_facts, pod_node, shared_limit
from nmstate_k8s.domain.policy.verbs import Verbs

said_anew: Final[Predicate] = any_of(
    generation_changed,
    changed(lambda obj: obj.metadata.deletion_timestamp),
    changed(lambda obj: Verbs.of(obj.metadata.annotations, obj.metadata.generation)),
)
"""The policy says something else, is spoken to, or is going: its own status is no reason to plan."""


def watch_policies(
    controller: Controller,
    *,
    policies: Informer,
    nodes: Informer,
    pods: Informer,
    enactments: Informer,
    nmstates: Informer,
    world: World,
    when: Predicate | None = None,
) -> None:
    """What makes a policy worth a look; of the policy itself, the changes that pass `when`."""
    own = label_value(POLICY_LABEL)
    every = _all_of(policies.store)
    controller.watch(policies, predicate=when)
    controller.watch(nodes, every, changed(_what_selects))
    controller.watch(pods, every, changed(pod_node))
    controller.watch(
        enactments,
        lambda obj: [*own(obj), *(Key("", name) for name in world.wait_for_others)],
        changed(_what_is_reported),
    )
    controller.watch(nmstates, every, changed(shared_limit))


def _all_of(policies: Store) -> Mapper:
    """Every policy: a node may come to match, or cease to match, any of them."""
    return lambda _: policies.keys()


def _what_selects(node: Object) -> object:
    facts = node_facts(node)
    return facts.labels, facts.ready


def _what_is_reported(enactment: Object) -> object:
    facts = enactment_facts(enactment)
    return facts.admitted, facts.reported, facts.phase, facts.deleting
