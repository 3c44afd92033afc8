"""What is kept of a pod of the stack: as much as tells why it does not work.

The operator keeps all of them in memory, one a node: so without what runs in them, and with words cut to a length.
"""

from __future__ import annotations

__all__ = ["ContainerState", "PodFacts", "pod_facts", "slim_pod", "symptoms"]

from datetime import datetime
from typing import Final, TypeVar

import msgspec

from nmstate_k8s.core.objects import Object, ObjectMeta

WORDS: Final = 240
"""Characters of what a scheduler, kubelet or program says. The last of a program's are kept: there is its error."""


class _Kept(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    pass


class _Requirement(_Kept, frozen=True):
    key: str = ""
    values: tuple[str, ...] = ()


class _Term(_Kept, frozen=True):
    match_fields: tuple[_Requirement, ...] = ()


class _Terms(_Kept, frozen=True):
    node_selector_terms: tuple[_Term, ...] = ()


class _NodeAffinity(_Kept, frozen=True):
    required_during_scheduling_ignored_during_execution: _Terms | None = None


class _Affinity(_Kept, frozen=True):
    node_affinity: _NodeAffinity | None = None


class _Spec(_Kept, frozen=True):
    node_name: str = ""
    affinity: _Affinity | None = None


class _Condition(_Kept, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class _Waiting(_Kept, frozen=True):
    reason: str = ""
    message: str = ""


class _Terminated(_Kept, frozen=True):
    reason: str = ""
    message: str = ""
    exit_code: int = 0


_Told = TypeVar("_Told", _Condition, _Waiting, _Terminated)


class ContainerState(_Kept, frozen=True):
    """Why a container does not run."""

    waiting: _Waiting | None = None
    terminated: _Terminated | None = None


class _Container(_Kept, frozen=True):
    name: str = ""
    image: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class _Status(_Kept, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[_Condition, ...] = ()
    container_statuses: tuple[_Container, ...] = ()


class PodFacts(_Kept, frozen=True):
    """A pod, as far as it matters."""

    metadata: ObjectMeta = ObjectMeta()
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def node(self) -> str:
        """The node that it is on, or, of a DaemonSet, is to be on; empty: none yet."""
        required = self.spec.affinity and self.spec.affinity.node_affinity
        terms = required and required.required_during_scheduling_ignored_during_execution
        meant = (
            value
            for term in (terms.node_selector_terms if terms else ())
            for one in term.match_fields
            if one.key == "metadata.name"
            for value in one.values
        )
        return self.spec.node_name or next(meant, "")

    @property
    def ready(self) -> bool:
        """Whether it works, as its kubelet says."""
        return self.condition("Ready").status == "True"

    def condition(self, type_: str) -> _Condition:
        """The condition of that type; an empty one where there is none."""
        return next((one for one in self.status.conditions if one.type == type_), _Condition())


def pod_facts(pod: Object) -> PodFacts:
    """The facts of a pod."""
    return pod.view(PodFacts)


def slim_pod(pod: Object) -> Object:
    """The pod with its facts and nothing else, each word of others cut to a length."""
    facts = pod_facts(pod)
    metadata = msgspec.structs.replace(facts.metadata, annotations={}, owner_references=(), finalizers=())
    status = msgspec.structs.replace(
        facts.status,
        message=_cut(facts.status.message),
        conditions=tuple(_spoken(one) for one in facts.status.conditions),
        container_statuses=tuple(
            msgspec.structs.replace(one, state=_state(one.state), last_state=_state(one.last_state))
            for one in facts.status.container_statuses
        ),
    )
    return pod.with_raw(msgspec.json.encode(PodFacts(metadata, facts.spec, status)))


def symptoms(pod: Object) -> object:
    """What of a pod can change what is said of it: nothing of one that works."""
    facts = pod_facts(pod)
    going = facts.metadata.deletion_timestamp is not None
    return facts.ready if facts.ready and not going else (going, facts.spec, facts.status)


def _state(state: ContainerState) -> ContainerState:
    waiting, ended = state.waiting, state.terminated
    return ContainerState(waiting and _spoken(waiting), ended and _spoken(ended, last=True))


def _spoken(told: _Told, *, last: bool = False) -> _Told:
    return msgspec.structs.replace(told, message=_cut(told.message, last=last))


def _cut(text: str, *, last: bool = False) -> str:
    """One line of what can be printed, no longer than words may be; the first of it, or the last."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(line) <= WORDS:
        return line
    return f"…{line[1 - WORDS :]}" if last else f"{line[: WORDS - 1]}…"
