"""The node's transaction as a table of named steps, each of them pure.

A step is a request and what follows from its answer: the next state and the name of the next step. Nothing here
does I/O or looks at a clock, so that a test can run through every path, and a crash be put between any two steps.

    read ─ prepare ─ inspect ─ journal ─ apply ─ locate ─ note ─ probe ─ check ─ commit ─ sync ─ close ─ END
              │       │    └ foreign        └────────┴──────────────┴───────┴───────┴───────────────┴─ wayback
             END     wait
    (no change)

- Recovery (`recovery`), at the handler's start and before a task where a journal is open, ends what is left.
- A checkpoint is only ever committed or rolled back by its path, and ours is told from foreign ones by what was
  there before, by NetworkManager's bus name and by the journal.
- Nothing is committed, and nothing counts as committed, if NetworkManager was started anew meanwhile.
- What passes by itself (NetworkManager busy or away, a foreign checkpoint) is waited for within the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from nmstate_k8s.domain.host.fault import probes_failed
from nmstate_k8s.domain.host.foreign import next_foreign
from nmstate_k8s.domain.host.journal import JournalTaken, Record
from nmstate_k8s.domain.host.prepare import Prepared
from nmstate_k8s.domain.host.probes.result import ProbeResult
from nmstate_k8s.domain.host.probes.runner import Selection
from nmstate_k8s.domain.host.recovery import RECOVERY
from nmstate_k8s.domain.host.requests import (
    Apply,
    CloseJournal,
    Commit,
    FindCheckpoints,
    Inspect,
    Inspection,
    NoteCheckpoint,
    Prepare,
    ReadState,
    Standing,
    SyncProfiles,
    Task,
    WriteJournal,
)
from nmstate_k8s.domain.host.tablestate import (
    END,
    PATIENCE,
    Next,
    State,
    Step,
    changing,
    fault,
    goes_on,
    lost,
    patient,
    pending,
    record,
    returns,
    run_probes,
    stops,
)
from nmstate_k8s.domain.host.wayback import BACK

__all__ = ["CHECKPOINT_SECONDS", "END", "STEPS", "State", "Step"]

CHECKPOINT_SECONDS = 480
"""Outlives apply and probes: a dead handler means that NetworkManager takes it back."""
_CONFLICT = "CheckpointConflict"


# --- Before anything is changed -------------------------------------------------------------------------------


def _read(state: State, before: bytes) -> Next:
    return replace(state, before=before), "prepare"


def _prepared(state: State, answer: tuple[Prepared, Selection]) -> Next:
    """Nothing to do is the end."""
    prepared, selection = answer
    if prepared.fault:
        return replace(state, prepared=prepared, fault=prepared.fault), END
    state = replace(
        state, prepared=prepared, desired=prepared.desired, selected=selection.names, probes=selection.left_out
    )
    return (state, "inspect") if prepared.change else (state, END)


def _inspected(state: State, seen: Inspection) -> Next:
    manager = seen.networkmanager
    if manager.checkpoints:
        request, foreign_seen = next_foreign(manager.checkpoints, seen.now, state.foreign_seen)
        return replace(state, pending=request, foreign_seen=foreign_seen), "foreign"
    return replace(state, record=_record(_task(state), state.selected, seen)), "journal"


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


def _again(state: State, _: Any) -> Next:
    """The node may look otherwise now: begin from its state."""
    return replace(state, pending=None, record=None), "read"


# --- Apply and probe ------------------------------------------------------------------------------------------


def _applied(state: State, _: Any) -> Next:
    return replace(state, touched=True), "locate"


def _not_applied(state: State, error: Exception) -> Next:
    """Refused for another's checkpoint, libnmstate has changed nothing: as if it had been seen before."""
    if _CONFLICT in str(error) and state.waits < PATIENCE:
        return replace(state, waits=state.waits + 1), "withdraw"
    return returns("apply")(state, error)


def _located(state: State, standing: Standing) -> Next:
    known = record(state)
    path = known.left_over(standing.networkmanager, known.boot_id)
    if standing.taken or not path:
        return replace(state, fault=lost(known, standing)), "find"
    return replace(state, record=msgspec.structs.replace(known, checkpoint=path)), "note"


def _probed(state: State, results: tuple[ProbeResult, ...]) -> Next:
    left_out = tuple(result for result in state.probes if result.name not in state.selected)
    state = replace(state, probes=results + left_out)
    failed = [result for result in results if result.result == "Failed"]
    if not failed:
        return state, "check"
    return replace(state, fault=probes_failed(failed)), "find"


def _checked(state: State, standing: Standing) -> Next:
    known = record(state)
    if standing.taken or known.left_over(standing.networkmanager, known.boot_id) != known.checkpoint:
        return replace(state, fault=lost(known, standing)), "find"
    return state, "commit"


def _committed(state: State, _: Any) -> Next:
    return replace(state, kept=True), "sync"


def _not_closed(state: State, error: Exception) -> Next:
    """Kept, but perhaps not on the disk, or the journal is still there: not Available, and tried again.

    Where NetworkManager was started just now, it found the journal: the node has been put back.
    """
    if isinstance(error, JournalTaken):
        return replace(state, fault=fault("commit", error, state), kept=False), "restart"
    return replace(state, fault=fault("commit", error, state)), END


def _task(state: State) -> Task:
    assert state.task is not None
    return state.task


_FORWARD: Mapping[str, Step] = {
    "read": Step(lambda _: ReadState(), _read, patient("read", "wait")),
    "prepare": Step(lambda state: Prepare(_task(state), state.before), _prepared, stops("validate")),
    "inspect": Step(lambda _: Inspect(), _inspected, patient("inspect", "wait")),
    "wait": Step(pending, _again, _again),
    "foreign": Step(pending, _again, _again),
    "journal": Step(
        lambda state: WriteJournal(record(state), state.before, state.desired),
        lambda state, _: (state, "apply"),
        lambda state, error: (replace(state, fault=fault("journal", error, state)), "shut"),
    ),
    "apply": Step(lambda state: Apply(state.desired, CHECKPOINT_SECONDS), _applied, _not_applied),
    "withdraw": Step(lambda _: CloseJournal(), _again, goes_on("find", "journal")),
    "locate": Step(lambda _: FindCheckpoints(), _located, returns("locate")),
    "note": Step(lambda state: NoteCheckpoint(record(state)), lambda state, _: (state, "probe"), returns("journal")),
    "probe": Step(lambda state: run_probes(state, changing(state)), _probed, returns("probe")),
    "check": Step(lambda _: FindCheckpoints(), _checked, returns("commit")),
    "commit": Step(lambda state: _commit(state), _committed, returns("commit")),
    "sync": Step(lambda _: SyncProfiles(), lambda state, _: (state, "close"), _not_closed),
    "close": Step(lambda _: CloseJournal(), lambda state, _: (state, END), _not_closed),
}


def _commit(state: State) -> Commit:
    return Commit(record(state).checkpoint)


STEPS: Mapping[str, Step] = {**_FORWARD, **BACK, **RECOVERY}
