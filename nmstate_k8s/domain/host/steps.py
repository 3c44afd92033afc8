"""The node's transaction as a table of named steps, each of them pure.

A step is a request and what follows from its answer: the next state and the name of the next step. Nothing here
does I/O or looks at a clock, so that a test can run through every path, and a crash be put between any two steps.

    read ─ prepare ─ inspect ─ journal ─ apply ─ locate ─ note ─ probe ─ check ─ commit ─ sync ─ close ─ END
              │         │                  │        │               │      │        │
             END     prove, leftover…      └────────┴─ find ─ back ─ reprobe ─ compare ─ shut ─ END
    (no change)        foreign                           └ retry ┘                └ settle ┘

- Recovery, at the handler's start, is the same table from `inspect` on, without a task: it ends when nothing of
  an earlier transaction is left.
- An open journal means that what is active may be untested: it is never taken for granted, but probed (`prove`).
- A checkpoint is only ever committed or rolled back by its path, and ours is told from foreign ones by what was
  there before, by NetworkManager's bus name and by the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from nmstate_k8s.domain.host import compare
from nmstate_k8s.domain.host.fault import Fault, fault_of, probes_failed
from nmstate_k8s.domain.host.foreign import next_foreign
from nmstate_k8s.domain.host.journal import Record
from nmstate_k8s.domain.host.prepare import Prepared
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change, ProbeResult
from nmstate_k8s.domain.host.probes.runner import Selection
from nmstate_k8s.domain.host.protocol import NetworkManager
from nmstate_k8s.domain.host.requests import (
    Apply,
    CloseJournal,
    Commit,
    FindCheckpoints,
    Inspect,
    Inspection,
    Prepare,
    ReadState,
    Request,
    RollBack,
    RunProbes,
    SyncProfiles,
    Task,
    Wait,
    WriteJournal,
)

__all__ = ["CHECKPOINT_SECONDS", "END", "STEPS", "WAYS_BACK", "State", "Step"]

CHECKPOINT_SECONDS = 480
"""Outlives apply and probes: a dead handler means that NetworkManager takes it back."""
COMPARISONS = 5
WAYS_BACK = 5
END = "end"


@dataclass(frozen=True, slots=True)
class State:
    """All that a transaction knows."""

    task: Task | None
    before: bytes = b""
    prepared: Prepared | None = None
    selected: tuple[str, ...] = ()
    record: Record | None = None
    pending: Request | None = None
    """Decided by one step for the next one to ask."""
    foreign_seen: Mapping[str, int] = field(default_factory=dict)
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
    """How often the way back was tried in vain."""


Next = tuple[State, str]


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked, what follows from the answer, and what from a failure."""

    ask: Callable[[State], Request]
    then: Callable[[State, Any], Next]
    fails: Callable[[State, Exception], Next]


# --- Before anything is changed -------------------------------------------------------------------------------


def _read(state: State, before: bytes) -> Next:
    return replace(state, before=before), "prepare"


def _prepared(state: State, answer: tuple[Prepared, Selection, Record | None]) -> Next:
    """Nothing to do is the end, unless an earlier transaction is open: then what is there has to be proven."""
    prepared, selection, open_record = answer
    if prepared.fault:
        return replace(state, prepared=prepared, fault=prepared.fault), END
    selected = selection.names
    if open_record:
        selected = tuple(dict.fromkeys((*selected, *open_record.probes)))
    left_out = tuple(result for result in selection.left_out if result.name not in selected)
    state = replace(state, prepared=prepared, selected=selected, probes=left_out)
    return (state, "inspect") if prepared.change or open_record else (state, END)


def _inspected(state: State, seen: Inspection) -> Next:
    record, manager = seen.record, seen.networkmanager
    if record and (left_over := record.left_over(manager, seen.boot_id)):
        return replace(state, pending=RollBack(left_over)), "leftover"
    if state.task is None:
        return state, END
    if state.prepared and not state.prepared.change:
        return state, "prove"
    if manager.checkpoints:
        request, foreign_seen = next_foreign(manager.checkpoints, seen.now, state.foreign_seen)
        return replace(state, pending=request, foreign_seen=foreign_seen), "foreign"
    return replace(state, record=_record(state.task, state.selected, seen)), "journal"


def _record(task: Task, probes: tuple[str, ...], seen: Inspection) -> Record:
    return Record(
        transaction=task.transaction_id,
        policy=task.policy,
        generation=task.generation,
        boot_id=seen.boot_id,
        networkmanager=seen.networkmanager.owner,
        checkpoints_before=tuple(checkpoint.path for checkpoint in seen.networkmanager.checkpoints),
        begun=seen.now,
        probes=probes,
    )


def _proven(state: State, results: tuple[ProbeResult, ...]) -> Next:
    """The node is as desired by an attempt that was interrupted: good, if it also works."""
    state, step = _probed(state, results)
    return (state, "close") if step == "check" else (state, END)


def _pending(state: State) -> Request:
    assert state.pending is not None
    return state.pending


def _again(state: State, _: Any) -> Next:
    """The node may look otherwise now: begin from its state, or in recovery from what is left."""
    state = replace(state, pending=None, record=None)
    return state, ("read" if state.task else "inspect")


# --- Apply and probe ------------------------------------------------------------------------------------------


def _applied(state: State, _: Any) -> Next:
    return replace(state, touched=True), "locate"


def _located(state: State, manager: NetworkManager) -> Next:
    record = _of(state)
    path = record.left_over(manager, record.boot_id)
    if not path:
        return replace(state, fault=_lost(record, manager)), "find"
    return replace(state, record=msgspec.structs.replace(record, checkpoint=path)), "note"


def _probed(state: State, results: tuple[ProbeResult, ...]) -> Next:
    left_out = tuple(result for result in state.probes if result.name not in state.selected)
    state = replace(state, probes=results + left_out)
    failed = [result for result in results if result.result == "Failed"]
    if not failed:
        return state, "check"
    return replace(state, fault=probes_failed(failed)), "find"


def _checked(state: State, manager: NetworkManager) -> Next:
    record = _of(state)
    if record.left_over(manager, record.boot_id) != record.checkpoint:
        return replace(state, fault=_lost(record, manager)), "find"
    return state, "commit"


def _committed(state: State, _: Any) -> Next:
    return replace(state, kept=True), "sync"


def _lost(record: Record, manager: NetworkManager) -> Fault:
    if manager.owner != record.networkmanager:
        cause = "NetworkManager was restarted during the apply, nothing guards the change any more"
        return Fault("locate", "NetworkManagerRestarted", cause)
    return Fault("locate", "CheckpointLost", "the checkpoint that guards the change is gone")


def _of(state: State) -> Record:
    assert state.record is not None
    return state.record


# --- The way back ---------------------------------------------------------------------------------------------


def _found(state: State, manager: NetworkManager) -> Next:
    record = _of(state)
    path = record.left_over(manager, record.boot_id)
    if path:
        return replace(state, pending=RollBack(path)), "back"
    return state, ("reprobe" if state.touched else "compare")


def _back(state: State, _: Any) -> Next:
    return replace(state, pending=None), "reprobe"


def _not_back(state: State, error: Exception) -> Next:
    """Look again: NetworkManager may have been quicker (its own timeout), or be busy for a moment.

    Where it stays so, the journal stays too: the next transaction, or the next handler, goes on from it, and
    NetworkManager's own timeout goes on running.
    """
    state = replace(_noting(state, f"rollback: {error}"), pending=None, ways_back=state.ways_back + 1)
    return (state, "retry") if state.ways_back < WAYS_BACK else (state, "reprobe")


def _reprobed(state: State, results: tuple[ProbeResult, ...]) -> Next:
    stranded = tuple(result.name for result in results if result.result == "Failed")
    return replace(state, stranded=stranded), "compare"


def _compared(state: State, after: bytes) -> Next:
    unlike = compare.differences(state.before, after)
    state = replace(state, unlike=unlike, comparisons=state.comparisons + 1)
    if unlike and state.comparisons < COMPARISONS:
        return state, "settle"
    return _whether_to_shut(state)


def _whether_to_shut(state: State) -> Next:
    """The journal is closed only on a node that is as it was: else what is there is still unproven."""
    return state, (END if state.unlike or state.ways_back >= WAYS_BACK else "shut")


def _not_compared(state: State, error: Exception) -> Next:
    """Not known to be as before: the journal stays."""
    return _noting(state, f"state after the rollback: {error}"), END


def _shut(state: State, _: Any) -> Next:
    return state, END


def _noting(state: State, text: str) -> State:
    assert state.fault is not None
    details = "\n".join(filter(None, (state.fault.details, text)))
    return replace(state, fault=replace(state.fault, details=details))


# --- What follows from failures -------------------------------------------------------------------------------


def _fault(stage: str, error: Exception, state: State) -> Fault:
    return fault_of(stage, error, state.task.desired if state.task else None, state.before)


def _stops(stage: str) -> Callable[[State, Exception], Next]:
    """Nothing was changed yet: that is the end."""
    return lambda state, error: (replace(state, fault=_fault(stage, error, state)), END)


def _shuts(stage: str) -> Callable[[State, Exception], Next]:
    """Nothing was changed yet, but the journal may be there."""
    return lambda state, error: (replace(state, fault=_fault(stage, error, state)), "shut")


def _returns(stage: str) -> Callable[[State, Exception], Next]:
    """Something was changed, or may have been: go back."""
    return lambda state, error: (replace(state, fault=_fault(stage, error, state), touched=True), "find")


def _goes_on(step: str, what: str) -> Callable[[State, Exception], Next]:
    """On the way back nothing stops us; what failed is kept in the details."""
    return lambda state, error: (_noting(state, f"{what}: {error}"), step)


def _committed_but(state: State, error: Exception) -> Next:
    """Kept, but perhaps not on the disk, or the journal is still there: not Available, and tried again."""
    return replace(state, fault=_fault("commit", error, state)), END


STEPS: Mapping[str, Step] = {
    "read": Step(lambda _: ReadState(), _read, _stops("read")),
    "prepare": Step(lambda state: Prepare(_task(state), state.before), _prepared, _stops("validate")),
    "inspect": Step(lambda _: Inspect(), _inspected, _stops("inspect")),
    "leftover": Step(_pending, _again, _stops("inspect")),
    "foreign": Step(_pending, _again, _again),
    "prove": Step(lambda state: _probes(state, _change(state)), _proven, _stops("probe")),
    "journal": Step(lambda state: WriteJournal(_of(state)), lambda state, _: (state, "apply"), _shuts("journal")),
    "apply": Step(lambda state: Apply(_desired(state), CHECKPOINT_SECONDS), _applied, _returns("apply")),
    "locate": Step(lambda _: FindCheckpoints(), _located, _returns("locate")),
    "note": Step(lambda state: WriteJournal(_of(state)), lambda state, _: (state, "probe"), _returns("journal")),
    "probe": Step(lambda state: _probes(state, _change(state)), _probed, _returns("probe")),
    "check": Step(lambda _: FindCheckpoints(), _checked, _returns("commit")),
    "commit": Step(lambda state: Commit(_of(state).checkpoint), _committed, _returns("commit")),
    "sync": Step(lambda _: SyncProfiles(), lambda state, _: (state, "close"), _committed_but),
    "close": Step(lambda _: CloseJournal(), lambda state, _: (state, END), _committed_but),
    "find": Step(lambda _: FindCheckpoints(), _found, _not_back),
    "back": Step(_pending, _back, _not_back),
    "retry": Step(lambda _: Wait(1.0), lambda state, _: (state, "find"), _not_back),
    "reprobe": Step(lambda state: _probes(state), _reprobed, _goes_on("compare", "probes")),
    "compare": Step(lambda _: ReadState(), _compared, _not_compared),
    "settle": Step(lambda _: Wait(1.0), lambda state, _: (state, "compare"), _not_compared),
    "shut": Step(lambda _: CloseJournal(), _shut, _goes_on(END, "journal")),
}


def _probes(state: State, change: Change = NO_CHANGE) -> RunProbes:
    return RunProbes(state.selected, _task(state).probes, change)


def _change(state: State) -> Change:
    return Change(_desired(state), state.before)


def _task(state: State) -> Task:
    assert state.task is not None
    return state.task


def _desired(state: State) -> bytes:
    assert state.prepared is not None
    return state.prepared.desired
