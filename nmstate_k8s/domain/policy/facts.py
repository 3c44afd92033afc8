"""What the rollout and the summary of a policy need to know, and nothing more.

An enactment may carry a state of 200 kB; of it, the cluster side reads a dozen words. Facts are made once for
each version of an object (``node_facts``, ``enactment_facts``), and objects are cut down to what facts are
made of before a cache keeps them (``slim_node``, ``slim_enactment``, ``slim_pod``).
"""

from __future__ import annotations

__all__ = [
    "DEFAULT_PROGRESS_DEADLINE",
    "EnactmentFacts",
    "NodeFacts",
    "PolicyFacts",
    "enactment_facts",
    "node_facts",
    "pod_node",
    "pod_ready",
    "policy_facts",
    "shared_limit",
    "slim_enactment",
    "slim_node",
    "slim_pod",
]

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from nmstate_k8s.api.conditions import FINISHED, Condition, EnactmentPhase, enactment_phase
from nmstate_k8s.api.meta import CONTROL_PLANE_LABELS, NODE_LABEL, POLICY_LABEL, POLICY_UID_ANNOTATION
from nmstate_k8s.api.rollout import Budget, Rollout
from nmstate_k8s.core.errors import MalformedObject
from nmstate_k8s.core.objects import Object, ObjectMeta
from nmstate_k8s.domain.policy.verbs import NOTHING_SAID, Verbs

DEFAULT_PROGRESS_DEADLINE = 600
"""Seconds without progress after which a policy is Degraded; that of a Deployment."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node of the cluster."""

    name: str
    uid: str = ""
    ready: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def control_plane(self) -> bool:
        """Whether it is one of the control plane."""
        return any(name in self.labels for name in CONTROL_PLANE_LABELS)


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """A policy. What it says to nodes is handed on as it stands, and never decoded here."""

    name: str
    uid: str
    generation: int
    deleting: bool
    node_selector: Mapping[str, str]
    max_unavailable: int | str | None
    desired_state: msgspec.Raw
    capture: msgspec.Raw
    probes: msgspec.Raw | None = None
    rollout: Rollout | None = None
    verbs: Verbs = NOTHING_SAID
    progress_deadline: int = DEFAULT_PROGRESS_DEADLINE
    """Seconds; 0: never."""


@dataclass(frozen=True, slots=True)
class EnactmentFacts:
    """An enactment: what its node is admitted to, and what it reports."""

    name: str
    node: str
    policy: str
    uid: str = ""
    resource_version: str = ""
    policy_uid: str = ""
    """Of the policy that it was made for; empty: made by another program, taken over as it is."""
    admitted: int | None = None
    """The generation in its spec."""
    reported: int | None = None
    """The generation in its status."""
    phase: EnactmentPhase | None = None
    message: str = ""
    since: datetime | None = None
    """When it came to this phase."""
    deleting: bool = False

    @property
    def working(self) -> bool:
        """Whether the node holds a slot: it was admitted to a generation and did not report its end."""
        if self.admitted is None:
            return False
        if self.reported is None or self.reported < self.admitted:
            return True
        return self.reported == self.admitted and self.phase not in FINISHED

    @property
    def changing(self) -> bool:
        """Whether its node is amid a change: it says so before it begins, and does not begin without."""
        return self.working and self.reported == self.admitted and self.phase is EnactmentPhase.PROGRESSING

    def made_for(self, policy_uid: str) -> bool:
        """Whether it is of that very policy, not of one before it of the same name."""
        return self.policy_uid in ("", policy_uid)

    def phase_of(self, generation: int) -> EnactmentPhase | None:
        """The phase, if it is that of this generation."""
        return self.phase if self.reported == generation else None


# --- Made of objects ------------------------------------------------------------------------------------------


class _Spec(msgspec.Struct, rename="camel", omit_defaults=True):
    policy_generation: int | None = None


class _Failure(msgspec.Struct, omit_defaults=True):
    stage: str = ""
    reason: str = ""


class _Status(msgspec.Struct, rename="camel", omit_defaults=True):
    policy_generation: int | None = None
    conditions: tuple[Condition, ...] = ()
    features: tuple[str, ...] = ()
    failure: _Failure | None = None


class _Enactment(msgspec.Struct, omit_defaults=True):
    metadata: ObjectMeta
    spec: _Spec | None = None
    status: _Status | None = None


class _Admitted(msgspec.Struct):
    """What of an enactment is the controller's own word."""

    spec: _Spec | None = None


class _PolicySpec(msgspec.Struct, rename="camel"):
    node_selector: dict[str, str] = msgspec.field(default_factory=dict)
    max_unavailable: int | str | None = None
    desired_state: msgspec.Raw = msgspec.Raw(b"null")
    capture: msgspec.Raw = msgspec.Raw(b"{}")
    probes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    rollout: Rollout | None = None
    progress_deadline_seconds: int | None = None


class _Policy(msgspec.Struct):
    spec: _PolicySpec = msgspec.field(default_factory=_PolicySpec)


class _Said(msgspec.Struct):
    type: str
    status: str


class _Readiness(msgspec.Struct):
    """The status of a Node or of a Pod."""

    conditions: tuple[_Said, ...] = ()

    @property
    def ready(self) -> bool:
        return any(each.type == "Ready" and each.status == "True" for each in self.conditions)


class _Address(msgspec.Struct):
    type: str = ""
    address: str = ""


class _NodeStatus(_Readiness):
    addresses: tuple[_Address, ...] = ()
    """By which the cluster reaches it: admission warns of policies that touch what has them."""


class _Node(msgspec.Struct):
    metadata: ObjectMeta
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


class _NMStateSpec(msgspec.Struct):
    rollout: Budget | None = None


class _NMState(msgspec.Struct):
    spec: _NMStateSpec = msgspec.field(default_factory=_NMStateSpec)


class _PodSpec(msgspec.Struct, rename="camel"):
    node_name: str = ""


class _Pod(msgspec.Struct):
    metadata: ObjectMeta
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)
    status: _Readiness = msgspec.field(default_factory=_Readiness)


def policy_facts(obj: Object) -> PolicyFacts:
    """The facts of a NodeNetworkConfigurationPolicy."""
    spec = obj.view(_Policy).spec
    deadline = spec.progress_deadline_seconds
    return PolicyFacts(
        name=obj.name,
        uid=obj.uid,
        generation=obj.metadata.generation,
        deleting=obj.metadata.deletion_timestamp is not None,
        node_selector=spec.node_selector,
        max_unavailable=spec.max_unavailable,
        desired_state=spec.desired_state,
        capture=spec.capture,
        probes=None if spec.probes is msgspec.UNSET else spec.probes,
        rollout=spec.rollout,
        verbs=Verbs.of(obj.metadata.annotations, obj.metadata.generation),
        progress_deadline=DEFAULT_PROGRESS_DEADLINE if deadline is None else deadline,
    )


def enactment_facts(obj: Object) -> EnactmentFacts:
    """The facts of a NodeNetworkConfigurationEnactment."""
    meta = obj.metadata
    view = _enactment(obj)
    status = view.status or _Status()
    phase = enactment_phase(status.conditions)
    true = next((each for each in status.conditions if each.status == "True"), None)
    return EnactmentFacts(
        name=meta.name,
        node=_node_of(meta),
        policy=meta.labels.get(POLICY_LABEL, ""),
        uid=meta.uid,
        resource_version=meta.resource_version,
        policy_uid=meta.annotations.get(POLICY_UID_ANNOTATION, ""),
        admitted=view.spec.policy_generation if view.spec else None,
        reported=status.policy_generation,
        phase=phase,
        message=next((each.message for each in status.conditions if each.status == "True" and each.message), ""),
        since=true.last_transition_time if true else None,
        deleting=meta.deletion_timestamp is not None,
    )


def _enactment(obj: Object) -> _Enactment:
    """With no status where that cannot be read: it is a node's word, and must not keep the enactment out of account."""
    try:
        return obj.view(_Enactment)
    except MalformedObject:
        return _Enactment(obj.metadata, obj.view(_Admitted).spec)


def _node_of(meta: ObjectMeta) -> str:
    """The node: by the owner reference, which names it in full where a label could not."""
    owners = (owner.name for owner in meta.owner_references if owner.kind == "Node")
    return next(owners, meta.labels.get(NODE_LABEL, ""))


def node_facts(obj: Object) -> NodeFacts:
    """The facts of a Node."""
    return NodeFacts(name=obj.name, uid=obj.uid, ready=obj.view(_Node).status.ready, labels=obj.labels)


def shared_limit(obj: Object) -> int | str | None:
    """How many nodes an NMState lets be at work at once, for all policies together; None: it says nothing of it."""
    budget = obj.view(_NMState).spec.rollout
    return budget.max_unavailable if budget else None


def pod_node(obj: Object) -> str:
    """The node that a Pod is on; empty while it is on none."""
    return obj.view(_Pod).spec.node_name


def pod_ready(obj: Object) -> bool:
    """Whether a Pod is ready, as its kubelet says."""
    return obj.view(_Pod).status.ready


# --- Cut down before they are kept ------------------------------------------------------------------------


def slim_enactment(obj: Object) -> Object:
    """The enactment without states, captures and managed fields; its features stay, which are counted."""
    return obj.with_raw(msgspec.json.encode(_enactment(obj)))


def slim_node(obj: Object) -> Object:
    """The node's metadata, its conditions' status and its addresses: without images and heartbeats."""
    view = obj.view(_Node)
    view.metadata = msgspec.structs.replace(view.metadata, annotations={})
    return obj.with_raw(msgspec.json.encode(view))


def slim_pod(obj: Object) -> Object:
    """The pod's metadata and node, and its conditions' status."""
    return obj.with_raw(msgspec.json.encode(obj.view(_Pod)))
