"""The judgement of a policy that is being written: what the webhooks ask, as functions of plain values.

- ``validate`` says no with the path of the mistake, or yes with warnings. It may take long (libnmstate is asked):
  the webhook runs it in a thread of its own, one call at a time.
- A policy can always be taken out of the way: nothing is refused of one that is deleted, and of one whose desired
  state and captures stay as they are the mistakes are warnings. So they are of one whose annotation says so: who
  knows better is not stopped, and the node judges all the same.
- ``mutate_policy``, ``mutate_status`` and ``mutate_timestamp`` give JSON patches of the object that came; nothing
  to do: no operation, so that a write that changes nothing stays one that changes nothing.
- Nothing here knows of HTTP, of certificates or of the API server.
"""

from __future__ import annotations

__all__ = ["Others", "Verdict", "mutate_policy", "mutate_status", "mutate_timestamp", "validate"]

from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import msgspec

from nmstate_k8s.api.meta import SKIP_VALIDATION_ANNOTATION
from nmstate_k8s.core.admission import AdmissionRequest
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.admission.conflicts import Other, conflicts
from nmstate_k8s.domain.admission.known import known_nodes
from nmstate_k8s.domain.admission.mutating import mutate_policy, mutate_status, mutate_timestamp
from nmstate_k8s.domain.admission.notices import cuts_near, leftovers, missing_cards, oddities
from nmstate_k8s.domain.admission.refusing import refusal_text, refuse_wrong
from nmstate_k8s.domain.desired.binding import Computing
from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.libnmstate import Libnmstate
from nmstate_k8s.domain.desired.limits import too_deep
from nmstate_k8s.domain.policy.selection import matches

MAX_WARNINGS = 8
"""A person reads no more, and the API server takes 4,096 characters."""
MAX_COMPARED = 4 * 1024 * 1024
"""Bytes of other policies that one is compared with."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the policy is taken, why not, and what whoever writes it is told."""

    allowed: bool
    message: str = ""
    """Why not: begins with the path of what is wrong, as in ``spec.desiredState.interfaces[0].mtu: …``."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Others:
    """What else there is in the cluster, as of now. What is not known is judged by the nodes alone."""

    policies: Sequence[Object] = ()
    """All, also the one that is asked about as it was."""
    nodes: Sequence[Object] = ()
    node_states: Sequence[Object] = ()
    """Their NodeNetworkStates; `known.slim_node_state` of them is enough."""
    allow_dispatch: bool | None = None
    """`spec.allowDispatch` of the NMState; None: not known."""


class _Spec(msgspec.Struct, rename="camel"):
    desired_state: Any = None
    capture: dict[str, str] = msgspec.field(default_factory=dict)
    node_selector: dict[str, str] = msgspec.field(default_factory=dict)


class _Policy(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


def validate(request: AdmissionRequest, others: Others, libnmstate: Libnmstate | None = None) -> Verdict:
    """The verdict on a policy that is created, changed or deleted. `libnmstate`: the real one, unless told."""
    policy, old = request.new, request.old
    if policy is None:
        return Verdict(True, warnings=_few(_left(old)) if old is not None else ())
    if policy.metadata.deletion_timestamp is not None:
        return Verdict(True)
    spec, before = policy.view(_Policy).spec, old.view(_Policy).spec if old is not None else None
    if spec == before:
        return Verdict(True)
    nodes = known_nodes(others.nodes, others.node_states)
    selected = [node for node in nodes if matches(node.labels, spec.node_selector)]
    allowed = others.allow_dispatch is not False
    try:
        _now(
            refuse_wrong(libnmstate or Computing(), spec.desired_state, spec.capture, selected, allow_dispatch=allowed)
        )
    except DesiredStateError as error:
        text = refusal_text(error, spec.desired_state)
        same = before is not None and (spec.desired_state, spec.capture) == (before.desired_state, before.capture)
        if same or policy.metadata.annotations.get(SKIP_VALIDATION_ANNOTATION) == "true":
            return Verdict(True, warnings=(f"no node can carry this out: {text}",))
        return Verdict(False, text)
    desired = spec.desired_state
    warnings = chain(
        cuts_near(desired, selected),
        missing_cards(desired, selected),
        conflicts(desired, spec.node_selector, list(_others(policy.name, others)), nodes),
        oddities(desired),
    )
    return Verdict(True, warnings=_few(warnings))


def _others(name: str, others: Others) -> Iterator[Other]:
    compared = 0
    for policy in others.policies:
        compared += len(policy.raw)
        if policy.name != name and policy.metadata.deletion_timestamp is None and compared <= MAX_COMPARED:
            spec = policy.view(_Policy).spec
            if not too_deep(spec.desired_state):  # no node takes it, so it says nothing to any
                yield Other(policy.name, spec.node_selector, spec.desired_state)


def _left(policy: Object) -> Iterator[str]:
    return leftovers(policy.name, policy.view(_Policy).spec.desired_state)


def _few(warnings: Iterator[str]) -> tuple[str, ...]:
    return tuple(islice(warnings, MAX_WARNINGS))


def _now(work: Coroutine[Any, Any, None]) -> None:
    """Run what never suspends: there is nothing to wait for in a thread of one's own."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("libnmstate was to answer at once")
