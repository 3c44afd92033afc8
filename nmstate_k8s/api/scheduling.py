"""Kubernetes' own words for where a pod may run, as far as an NMState passes them on to its pods."""

from __future__ import annotations

__all__ = [
    "Affinity",
    "LabelSelector",
    "NodeAffinity",
    "NodeSelectorTerm",
    "PodAffinity",
    "PodAffinityTerm",
    "Toleration",
]

from typing import Annotated, Any

from msgspec import field

from nmstate_k8s.api.model import Model
from nmstate_k8s.api.schema import describe

_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class Toleration(Model, frozen=True):
    """A taint that a pod tolerates."""

    key: Annotated[str, describe("The taint's key. Empty, with operator Exists: every taint.")] = ""
    operator: Annotated[
        str, describe("How the value is compared: Exists or Equal (default), or what newer clusters know.")
    ] = ""
    value: Annotated[str, describe("The taint's value, for operator Equal.")] = ""
    effect: Annotated[
        str, describe("The taint's effect: NoSchedule, PreferNoSchedule or NoExecute. Empty: all of them.")
    ] = ""
    toleration_seconds: Annotated[int | None, describe("How long a NoExecute taint is tolerated. Empty: for ever.")] = (
        None
    )


class Requirement(Model, frozen=True):
    """A comparison of one label."""

    key: Annotated[str, describe("The label's name.")]
    operator: Annotated[str, describe("How it is compared: In, NotIn, Exists, DoesNotExist, Gt or Lt.")]
    values: Annotated[tuple[str, ...], describe("What it is compared with.", **_ATOMIC)] = ()


class LabelSelector(Model, frozen=True):
    """Which objects, by their labels."""

    match_labels: Annotated[dict[str, str], describe("Labels that the object must have, all of them.")] = field(
        default_factory=dict
    )
    match_expressions: Annotated[tuple[Requirement, ...], describe("Comparisons that must all hold.", **_ATOMIC)] = ()


class NodeSelectorTerm(Model, frozen=True):
    """Which nodes: all of the comparisons must hold."""

    match_expressions: Annotated[tuple[Requirement, ...], describe("Comparisons of the node's labels.", **_ATOMIC)] = ()
    match_fields: Annotated[tuple[Requirement, ...], describe("Comparisons of the node's fields.", **_ATOMIC)] = ()


class NodeSelectorTerms(Model, frozen=True):
    """Which nodes: one of the terms must hold."""

    node_selector_terms: Annotated[
        tuple[NodeSelectorTerm, ...], describe("The terms, of which one must hold.", **_ATOMIC)
    ]


class PreferredNodes(Model, frozen=True):
    """Nodes that are preferred to others."""

    weight: Annotated[int, describe("How much they are preferred, from 1 to 100.")]
    preference: Annotated[NodeSelectorTerm, describe("Which nodes.")]


class NodeAffinity(Model, frozen=True):
    """Which nodes a pod wants."""

    required_during_scheduling_ignored_during_execution: Annotated[
        NodeSelectorTerms | None, describe("Nodes that the pod needs.")
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodes, ...], describe("Nodes that the pod prefers.", **_ATOMIC)
    ] = ()


class PodAffinityTerm(Model, frozen=True):
    """Which pods, and in which topology they count as near."""

    topology_key: Annotated[str, describe("The node label whose value says what is near.")]
    label_selector: Annotated[LabelSelector | None, describe("The pods, by their labels.")] = None
    namespaces: Annotated[tuple[str, ...], describe("The pods' namespaces, by name.", **_ATOMIC)] = ()
    namespace_selector: Annotated[LabelSelector | None, describe("The pods' namespaces, by their labels.")] = None
    match_label_keys: Annotated[
        tuple[str, ...], describe("Labels whose values the pods must have in common.", **_ATOMIC)
    ] = ()
    mismatch_label_keys: Annotated[
        tuple[str, ...], describe("Labels whose values the pods must not have in common.", **_ATOMIC)
    ] = ()


class PreferredPods(Model, frozen=True):
    """Pods whose nearness (or distance) is preferred."""

    weight: Annotated[int, describe("How much it is preferred, from 1 to 100.")]
    pod_affinity_term: Annotated[PodAffinityTerm, describe("Which pods.")]


class PodAffinity(Model, frozen=True):
    """Which pods a pod wants to be near to, or far from."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodAffinityTerm, ...], describe("What must hold.", **_ATOMIC)
    ] = ()
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredPods, ...], describe("What is preferred.", **_ATOMIC)
    ] = ()


class Affinity(Model, frozen=True):
    """Which nodes a pod wants, and which other pods it wants to be near to or far from."""

    node_affinity: Annotated[NodeAffinity | None, describe("Which nodes the pod wants.")] = None
    pod_affinity: Annotated[PodAffinity | None, describe("Which pods it wants to be near to.")] = None
    pod_anti_affinity: Annotated[PodAffinity | None, describe("Which pods it wants to be far from.")] = None
