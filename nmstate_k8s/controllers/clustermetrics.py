"""The gauges about the cluster: policies, enactments, features, interfaces, routes, handlers, the installation.

- Shown by the leader alone: added up over replicas, they are what they are.
- Fed by informers: a change of an object costs what that object brings. A scrape reads what is added up.
- What is not known yet is not shown: a gauge that begins at nothing and climbs would fire alerts.
"""

from __future__ import annotations

__all__ = ["ClusterMetrics"]

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from nmstate_k8s.api.conditions import (
    NMSTATE_TYPES,
    POLICY_TYPES,
    Condition,
    EnactmentPhase,
    PolicyPhase,
    enactment_phase,
    nmstate_phase,
    policy_phase,
)
from nmstate_k8s.api.rollout import POLICY_PAUSES
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.domain.observed import families
from nmstate_k8s.domain.observed.families import Family
from nmstate_k8s.domain.observed.nodestate import counts
from nmstate_k8s.domain.observed.tally import Labels, Tally
from nmstate_k8s.domain.observed.words import distinct, word
from nmstate_k8s.domain.policy.facts import enactment_facts, node_facts, pod_node, pod_ready

UNKNOWN: Final = "Unknown"

Brings = Mapping[Labels, int]


class _Conditioned(msgspec.Struct):
    class Status(msgspec.Struct):
        conditions: tuple[Condition, ...] = ()

    status: Status = msgspec.field(default_factory=Status)


class _Enactment(msgspec.Struct):
    class Status(msgspec.Struct):
        class Failure(msgspec.Struct):
            stage: str = ""
            reason: str = ""

        conditions: tuple[Condition, ...] = ()
        features: tuple[str, ...] = ()
        failure: Failure | None = None

    status: Status = msgspec.field(default_factory=Status)


class ClusterMetrics:
    """Counts always, shows while `run` runs: run it where this process leads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._tallies = {family: Tally() for family in families.FAMILIES if family is not families.HANDLER_UP}
        self._informers: dict[Family, Informer] = {}
        self._pods: dict[str, dict[Key, bool]] = {}
        self._ready: set[str] = set()

    def follow(
        self,
        *,
        policies: Informer,
        enactments: Informer,
        nodes: Informer,
        pods: Informer,
        node_states: Informer,
        nmstates: Informer,
    ) -> None:
        """Be told of all changes.

        `enactments`, `nodes` and `pods` may be slim (`domain.policy.facts`); `node_states` are to be, as
        `domain.observed.nodestate` makes them.
        """
        self._count(
            policies,
            {
                families.POLICIES_STATUS: _policies_status,
                families.POLICY_STATUS: _policy_status,
                families.POLICY_PAUSED: _policy_paused,
            },
        )
        self._count(
            enactments,
            {
                families.FEATURES_APPLIED: _features,
                families.ENACTMENTS_STATUS: _enactments_status,
                families.POLICY_NODES: _policy_nodes,
                families.ENACTMENT_FAILURES: _failures,
            },
        )
        self._count(node_states, {families.NETWORK_INTERFACES: _interfaces, families.ROUTES: _routes})
        self._count(nmstates, {families.INSTALLATION_STATUS: _installation})
        nodes.add_handler(self._on_node)
        pods.add_handler(self._on_pod)
        self._informers[families.HANDLER_UP] = pods

    async def run(self) -> None:
        """Show the gauges until cancelled."""
        self._registry.register(self)
        try:
            await asyncio.Event().wait()
        finally:
            self._registry.unregister(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The registry's: names are not reserved, so that two leaders of two clusters may live in one process."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The registry's: the gauges as they are."""
        for family in families.FAMILIES:
            informer = self._informers.get(family)
            if informer is None or not informer.synced:
                continue
            shown = GaugeMetricFamily(family.name, family.text, labels=family.labels)
            for labels, value in self._values(family):
                shown.add_metric(labels, value)
            yield shown

    def _values(self, family: Family) -> Iterable[tuple[Labels, int]]:
        if family is families.HANDLER_UP:
            return (((node,), int(any(self._pods[node].values()))) for node in self._pods if node in self._ready)
        tally = self._tallies[family]
        if family is families.FEATURES_APPLIED:
            return ((labels, 1) for labels, _ in tally)
        return {**_ZEROS.get(family, {}), **dict(tally)}.items()

    def _count(self, informer: Informer, brings: Mapping[Family, Callable[[Object], Brings]]) -> None:
        """What each object of the informer brings to each family."""

        def on_event(event: Event) -> None:
            for family, of in brings.items():
                if event.new is None:
                    self._tallies[family].remove(event.key)
                else:
                    self._tallies[family].put(event.key, of(event.new))

        self._informers.update(dict.fromkeys(brings, informer))
        informer.add_handler(on_event)

    def _on_node(self, event: Event) -> None:
        ready = event.new is not None and node_facts(event.new).ready
        (self._ready.add if ready else self._ready.discard)(event.key.name)

    def _on_pod(self, event: Event) -> None:
        for obj in (event.old, event.new):
            node = pod_node(obj) if obj else ""
            pods = self._pods.get(node, {})
            pods.pop(event.key, None)
            if not pods:
                self._pods.pop(node, None)
        if event.new is not None and (node := pod_node(event.new)):
            self._pods.setdefault(node, {})[event.key] = pod_ready(event.new)


_ZEROS: Final[Mapping[Family, Brings]] = {
    families.POLICIES_STATUS: {(status,): 0 for status in POLICY_TYPES},
    families.INSTALLATION_STATUS: {(status,): 0 for status in NMSTATE_TYPES},
}
"""Shown also where nothing is so: they tell that somebody looks."""


# --- What an object brings ------------------------------------------------------------------------------------


def _policy(policy: Object) -> str:
    phase = policy_phase(policy.view(_Conditioned).status.conditions)
    return phase.value if phase else UNKNOWN


def _policies_status(policy: Object) -> Brings:
    return {(_policy(policy),): 1}


def _policy_status(policy: Object) -> Brings:
    return {(policy.name, _policy(policy)): 1}


def _policy_paused(policy: Object) -> Brings:
    conditions = policy.view(_Conditioned).status.conditions
    if policy_phase(conditions) is not PolicyPhase.PROGRESSING:
        return {}
    reason = next(each.reason for each in conditions if each.type == PolicyPhase.PROGRESSING.value)
    return {(policy.name, reason): 1} if reason in POLICY_PAUSES else {}


def _enactment(enactment: Object) -> str:
    """The first condition that is True: of an enactment that is tried again, Progressing."""
    phase = enactment_phase(enactment.view(_Enactment).status.conditions)
    if phase is None:
        return UNKNOWN
    return EnactmentPhase.PROGRESSING.value if phase is EnactmentPhase.RETRYING else phase.value


def _enactments_status(enactment: Object) -> Brings:
    return {(enactment_facts(enactment).node, _enactment(enactment)): 1}


def _policy_nodes(enactment: Object) -> Brings:
    policy = enactment_facts(enactment).policy
    return {(policy, _enactment(enactment)): 1} if policy else {}


def _features(enactment: Object) -> Brings:
    return {(feature,): 1 for feature in distinct(enactment.view(_Enactment).status.features)}


def _failures(enactment: Object) -> Brings:
    status = enactment.view(_Enactment).status
    if status.failure is None or enactment_phase(status.conditions) not in _FAILED:
        return {}
    return {(enactment_facts(enactment).node, word(status.failure.stage), word(status.failure.reason)): 1}


_FAILED: Final = (EnactmentPhase.FAILED, EnactmentPhase.RETRYING)


def _interfaces(node_state: Object) -> Brings:
    return {(type_, node_state.name): number for type_, number in counts(node_state).interfaces.items()}


def _routes(node_state: Object) -> Brings:
    found: dict[Labels, int] = {}
    for kind, number in counts(node_state).routes.items():
        family, _, type_ = kind.partition("/")
        found[node_state.name, family, type_] = number
    return found


def _installation(nmstate: Object) -> Brings:
    phase = nmstate_phase(nmstate.view(_Conditioned).status.conditions)
    return {(phase.value,): 1} if phase else {}
