"""What the rows of the transaction's table share: its state, the form of a row, and what follows from failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nmstate_k8s.domain.desired.errors import is_transient
from nmstate_k8s.domain.host.fault import Fault, fault_of
from nmstate_k8s.domain.host.journal import Record
from nmstate_k8s.domain.host.prepare import Prepared
from nmstate_k8s.domain.host.probes.plan import DEFAULT_PLAN
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change, ProbeResult
from nmstate_k8s.domain.host.protocol import NetworkManager
from nmstate_k8s.domain.host.requests import Request, RunProbes, Standing, Task, Wait

__all__ = [
    "END",
    "LOOK_AGAIN",
    "PATIENCE",
    "Next",
    "State",
    "Step",
    "changing",
    "fault",
    "goes_on",
    "lost",
    "noting",
    "patient",
    "pending",
    "record",
    "returns",
    "run_probes",
    "stops",
]

END = "end"
PATIENCE = 15
LOOK_AGAIN = 2.0
"""Seconds until what passes by itself is tried again; so often, `PATIENCE` times."""


@dataclass(frozen=True, slots=True)
class State:
    """All that a transaction knows."""

    task: Task | None
    """None: recovery of what an earlier handler left."""
    before: bytes = b""
    desired: bytes = b""
    prepared: Prepared | None = None
    selected: tuple[str, ...] = ()
    record: Record | None = None
    pending: Request | None = None
    """Decided by one step for the next one to ask."""
    foreign_seen: Mapping[str, int] = field(default_factory=dict)
    waits: int = 0
    """How often something that passes by itself was waited for."""
    touched: bool = False
    kept: bool = False
    """Committed: from here on there is no way back."""
    probes: tuple[ProbeResult, ...] = ()
    """How they ended; of those that were not selected, why."""
    fault: Fault | None = None
    stranded: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    comparisons: int = 0
    ways_back: int = 0
    """How often the rollback was tried in vain."""
    restarted: bool = False
    """Whether NetworkManager was restarted with the journal in place."""
    mended: bool = False
    stuck: bool = False
    """Whether there was no way back: the journal stays."""
    why: str = "handler"
    """What an interrupted transaction was interrupted by: boot, nm-restart, or the end of its handler."""


Next = tuple[State, str]


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked, what follows from the answer, and what from a failure."""

    ask: Callable[[State], Request]
    then: Callable[[State, Any], Next]
    fails: Callable[[State, Exception], Next]


def record(state: State) -> Record:
    """The record of the transaction, which is there from the journal on."""
    assert state.record is not None
    return state.record


def pending(state: State) -> Request:
    """What an earlier step decided to ask."""
    assert state.pending is not None
    return state.pending


def run_probes(state: State, change: Change = NO_CHANGE) -> RunProbes:
    """The chosen probes, for as long as the policy grants."""
    return RunProbes(state.selected, state.task.probes if state.task else DEFAULT_PLAN, change)


def changing(state: State) -> Change:
    """What the probes are to be told of the change that they judge."""
    return Change(state.desired, state.before)


def fault(stage: str, error: Exception, state: State) -> Fault:
    """What went wrong, for people."""
    return fault_of(stage, error, state.task.desired if state.task else None, state.before)


def lost(known: Record, standing: Standing) -> Fault:
    """The checkpoint that guards the change is gone, and why."""
    manager: NetworkManager = standing.networkmanager
    if standing.taken or manager.owner != known.networkmanager:
        cause = "NetworkManager was restarted during the apply, nothing guards the change any more"
        return Fault("locate", "NetworkManagerRestarted", cause)
    return Fault("locate", "CheckpointLost", "the checkpoint that guards the change is gone")


def noting(state: State, text: str) -> State:
    """A further mishap, kept in the details."""
    if state.fault is None:
        return replace(state, fault=Fault("recover", "RecoveryFailed", text, details=text))
    details = "\n".join(filter(None, (state.fault.details, text)))
    return replace(state, fault=replace(state.fault, details=details))


def stops(stage: str) -> Callable[[State, Exception], Next]:
    """Nothing was changed yet: that is the end."""
    return lambda state, error: (replace(state, fault=fault(stage, error, state)), END)


def patient(stage: str, again: str) -> Callable[[State, Exception], Next]:
    """Nothing was changed yet: what passes by itself is waited for, and is the end only where it does not pass."""

    def fails(state: State, error: Exception) -> Next:
        if not is_transient(error) or state.waits >= PATIENCE:
            return replace(state, fault=fault(stage, error, state)), END
        return replace(state, waits=state.waits + 1, pending=Wait(LOOK_AGAIN)), again

    return fails


def returns(stage: str) -> Callable[[State, Exception], Next]:
    """Something was changed, or may have been: go back."""
    return lambda state, error: (replace(state, fault=fault(stage, error, state), touched=True), "find")


def goes_on(step: str, what: str) -> Callable[[State, Exception], Next]:
    """On the way back nothing stops us; what failed is kept in the details."""
    return lambda state, error: (noting(state, f"{what}: {error}"), step)
