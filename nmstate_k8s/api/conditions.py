"""Conditions, as rows of tables: the words that people's scripts, consoles and dashboards compare.

- The order of the types is API: printer columns, consoles and Argo CD take the first True one.
- A phase sets every native type, each time; nothing of an earlier phase is left over.
- ``lastTransitionTime`` moves when the status changes, ``lastHeartbeatTime`` when status, reason or message
  do. The same phase and message again is the same value again, so that writers can compare and stay silent.
- Policies and NMState speak kstatus too (Ready, Reconciling, Stalled), after the native types and with
  ``observedGeneration``. An enactment has exactly its five conditions and nothing else.
"""

from __future__ import annotations

__all__ = [
    "ConditionStatus",
    "Condition",
    "EnactmentPhase",
    "FINISHED",
    "ENACTMENT_TYPES",
    "enactment_conditions",
    "enactment_phase",
    "PolicyPhase",
    "POLICY_TYPES",
    "policy_conditions",
    "policy_phase",
    "NMStatePhase",
    "NMSTATE_TYPES",
    "nmstate_conditions",
    "nmstate_phase",
]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from nmstate_k8s.api.model import Model, Time

ConditionStatus = Literal["True", "False", "Unknown"]

_Phase = TypeVar("_Phase", bound=Enum)


class Condition(Model, frozen=True):
    """One aspect of an object's state."""

    type: Annotated[str, Meta(description="Which aspect of the object this is about, in CamelCase.")]
    status: Annotated[ConditionStatus, Meta(description="Whether it holds: True, False or Unknown.")]
    reason: Annotated[str, Meta(description="Why, as one word for programs, in CamelCase.")] = ""
    message: Annotated[str, Meta(description="Why, as a sentence for people.")] = ""
    last_transition_time: Annotated[
        Time | None, Meta(description="When the status last changed from one value to another.")
    ] = None
    last_heartbeat_time: Annotated[
        Time | None, Meta(description="When status, reason or message were last set anew.")
    ] = None
    observed_generation: Annotated[
        int | None, Meta(description="The metadata.generation of the object that this condition speaks of.")
    ] = None


@dataclass(frozen=True)
class _Row:
    """One phase: its reason and message, and the status (or status and reason) of each type."""

    reason: str
    message: str
    cells: Mapping[str, ConditionStatus | tuple[ConditionStatus, str]]


# --- Enactments -----------------------------------------------------------------------------------------------


class EnactmentPhase(Enum):
    """Where a node is with a policy."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    RETRYING = "Retrying"
    FAILED = "Failing"
    AVAILABLE = "Available"
    ABORTED = "Aborted"


FINISHED = frozenset({EnactmentPhase.AVAILABLE, EnactmentPhase.FAILED, EnactmentPhase.ABORTED})
"""The phases in which nothing more happens until the policy, the node or its boot changes."""

ENACTMENT_TYPES = ("Progressing", "Failing", "Available", "Pending", "Aborted")

_NOT_ABORTED: tuple[ConditionStatus, str] = ("False", "SuccessfullyConfigured")

_ENACTMENT: Mapping[EnactmentPhase, _Row] = {
    EnactmentPhase.PENDING: _Row(
        "MaxUnavailableLimitReached", "Waiting for progressing nodes to finish", {"Pending": "True"}
    ),
    EnactmentPhase.PROGRESSING: _Row(
        "ConfigurationProgressing",
        "Applying desired state",
        {"Progressing": "True", "Failing": "Unknown", "Available": "Unknown"},
    ),
    EnactmentPhase.RETRYING: _Row("Retrying", "", {"Progressing": "True", "Failing": "True", "Aborted": _NOT_ABORTED}),
    EnactmentPhase.FAILED: _Row("FailedToConfigure", "", {"Failing": "True", "Aborted": _NOT_ABORTED}),
    EnactmentPhase.AVAILABLE: _Row("SuccessfullyConfigured", "successfully reconciled", {"Available": "True"}),
    EnactmentPhase.ABORTED: _Row("ConfigurationAborted", "", {"Aborted": "True"}),
}


def enactment_conditions(
    phase: EnactmentPhase, message: str = "", *, now: datetime, previous: Sequence[Condition] = ()
) -> tuple[Condition, ...]:
    """The five conditions of an enactment in ``phase``; ``message`` instead of the phase's own one."""
    return _conditions(ENACTMENT_TYPES, _ENACTMENT[phase], message, now=now, previous=previous)


def enactment_phase(conditions: Sequence[Condition]) -> EnactmentPhase | None:
    """The phase that the conditions tell of; None where they tell of none (not started, cleared)."""
    true = _true_types(conditions)
    if {"Failing", "Progressing"} <= true:
        return EnactmentPhase.RETRYING
    return next((phase for phase in EnactmentPhase if phase.value in true), None)


# --- Policies -------------------------------------------------------------------------------------------------


class PolicyPhase(Enum):
    """How a policy stands on all its nodes together."""

    UNKNOWN = "Unknown"
    IGNORED = "Ignored"
    DEGRADED = "Degraded"
    PROGRESSING = "Progressing"
    AVAILABLE = "Available"


POLICY_TYPES = ("Available", "Degraded", "Progressing", "Ignored")

_POLICY: Mapping[PolicyPhase, _Row] = {
    PolicyPhase.UNKNOWN: _Row("", "", dict.fromkeys((*POLICY_TYPES, "Ready"), "Unknown")),
    PolicyPhase.IGNORED: _Row("NoMatchingNode", "Policy does not match any node", {"Ignored": "True", "Ready": "True"}),
    PolicyPhase.DEGRADED: _Row("FailedToConfigure", "", {"Degraded": "True", "Stalled": "True"}),
    PolicyPhase.PROGRESSING: _Row(
        "ConfigurationProgressing",
        "",
        {
            "Available": "Unknown",
            "Degraded": "Unknown",
            "Progressing": "True",
            "Ready": "Unknown",
            "Reconciling": "True",
        },
    ),
    PolicyPhase.AVAILABLE: _Row("SuccessfullyConfigured", "", {"Available": "True", "Ready": "True"}),
}


def policy_conditions(
    phase: PolicyPhase,
    message: str = "",
    *,
    generation: int,
    now: datetime,
    previous: Sequence[Condition] = (),
    reason: str = "",
) -> tuple[Condition, ...]:
    """The conditions of a policy in ``phase``, speaking of ``generation``; ``reason`` instead of the phase's own."""
    row = _POLICY[phase]
    row = replace(row, reason=reason) if reason else row
    types = _with_kstatus(POLICY_TYPES, row)
    return _conditions(types, row, message, now=now, previous=previous, generation=generation)


def policy_phase(conditions: Sequence[Condition]) -> PolicyPhase | None:
    """The phase that the conditions tell of; None where there are none."""
    return _first_true(PolicyPhase, conditions) or (PolicyPhase.UNKNOWN if conditions else None)


# --- NMState --------------------------------------------------------------------------------------------------


class NMStatePhase(Enum):
    """How the installation stands."""

    DEPLOYING = "Progressing"
    AVAILABLE = "Available"
    ERROR = "Degraded"


NMSTATE_TYPES = ("Available", "Progressing", "Degraded")

_NMSTATE: Mapping[NMStatePhase, _Row] = {
    NMStatePhase.DEPLOYING: _Row("Deploying", "", {"Progressing": "True", "Ready": "Unknown", "Reconciling": "True"}),
    NMStatePhase.AVAILABLE: _Row(
        "SuccessfullyDeployed",
        "All components are available and ready",
        {"Available": "True", "Ready": "True"},
    ),
    NMStatePhase.ERROR: _Row("InternalError", "", {"Degraded": "True", "Stalled": "True"}),
}


def nmstate_conditions(
    phase: NMStatePhase,
    message: str = "",
    *,
    generation: int,
    now: datetime,
    previous: Sequence[Condition] = (),
) -> tuple[Condition, ...]:
    """The conditions of an NMState in ``phase``, speaking of ``generation``."""
    row = _NMSTATE[phase]
    types = _with_kstatus(NMSTATE_TYPES, row)
    return _conditions(types, row, message, now=now, previous=previous, generation=generation)


def nmstate_phase(conditions: Sequence[Condition]) -> NMStatePhase | None:
    """The phase that the conditions tell of; None where they tell of none."""
    return _first_true(NMStatePhase, conditions)


# --- The one way to make them ---------------------------------------------------------------------------------


def _with_kstatus(native: tuple[str, ...], row: _Row) -> tuple[str, ...]:
    """The native types, then Ready, then those of Reconciling and Stalled that hold."""
    return (*native, "Ready", *(name for name in ("Reconciling", "Stalled") if name in row.cells))


def _conditions(
    types: Sequence[str],
    row: _Row,
    message: str,
    *,
    now: datetime,
    previous: Sequence[Condition],
    generation: int | None = None,
) -> tuple[Condition, ...]:
    """One condition for each type. Only those that are True have a message, and Ready, which sums up."""
    before = {condition.type: condition for condition in previous}
    return tuple(
        _stamped(_wanted(name, row, message or row.message, generation), before.get(name), now) for name in types
    )


def _wanted(name: str, row: _Row, message: str, generation: int | None) -> Condition:
    cell = row.cells.get(name, "False")
    status, reason = (cell, row.reason) if isinstance(cell, str) else cell
    told = message if status == "True" or name == "Ready" else ""
    return Condition(type=name, status=status, reason=reason, message=told, observed_generation=generation)


def _stamped(wanted: Condition, before: Condition | None, now: datetime) -> Condition:
    """The condition with its times: moved where something changed, else as they were."""
    now = now.replace(microsecond=0)
    transition = heartbeat = now
    if before is not None and before.status == wanted.status:
        transition = before.last_transition_time or now
        if (before.reason, before.message) == (wanted.reason, wanted.message):
            heartbeat = before.last_heartbeat_time or now
    return Condition(
        type=wanted.type,
        status=wanted.status,
        reason=wanted.reason,
        message=wanted.message,
        last_transition_time=transition,
        last_heartbeat_time=heartbeat,
        observed_generation=wanted.observed_generation,
    )


def _true_types(conditions: Sequence[Condition]) -> set[str]:
    return {condition.type for condition in conditions if condition.status == "True"}


def _first_true(phases: type[_Phase], conditions: Sequence[Condition]) -> _Phase | None:
    true = _true_types(conditions)
    return next((phase for phase in phases if phase.value in true), None)
