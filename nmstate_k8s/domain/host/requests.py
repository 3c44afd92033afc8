"""What a transaction asks of the world: each request is carried out by `executor.Executor`, and answered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nmstate_k8s.domain.host.journal import Record, States
from nmstate_k8s.domain.host.probes.plan import DEFAULT_PLAN, ProbePlan
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change
from nmstate_k8s.domain.host.protocol import NetworkManager

__all__ = [
    "Task",
    "Inspection",
    "Standing",
    "Leftover",
    "TakenBack",
    "Request",
    "ReadState",
    "Prepare",
    "Inspect",
    "Wait",
    "Open",
    "WriteJournal",
    "NoteCheckpoint",
    "CloseJournal",
    "RetireJournal",
    "Apply",
    "FindCheckpoints",
    "RunProbes",
    "Commit",
    "RollBack",
    "SyncProfiles",
    "RestartNetworkManager",
    "Revert",
    "PutBackFiles",
    "Mend",
    "Difference",
]


@dataclass(frozen=True, slots=True)
class Task:
    """One policy's generation to be brought about on this node."""

    transaction_id: str
    policy: str
    generation: int
    desired: Any
    capture: Mapping[str, str]
    captured: Mapping[str, Any]
    """What the captures found earlier for this generation; empty: nothing yet."""
    probes: ProbePlan = DEFAULT_PLAN


@dataclass(frozen=True, slots=True)
class Inspection:
    """Whether a transaction can begin: NetworkManager, the clock of checkpoints, this boot."""

    networkmanager: NetworkManager
    now: int
    """Milliseconds since boot."""
    boot_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether what guards a change still does."""

    networkmanager: NetworkManager
    taken: bool
    """NetworkManager was started with the journal in place."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What an earlier transaction left open."""

    record: Record
    states: States | None
    """None: they cannot be read any more."""
    networkmanager: NetworkManager
    taken: bool
    boot_id: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What an earlier transaction began was put back by the unit on the host, and is not told yet."""

    before: bytes
    desired: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """Something to be carried out; its answer goes to the step that asked."""


@dataclass(frozen=True, slots=True)
class ReadState(Request):
    """The whole state: answers bytes."""


@dataclass(frozen=True, slots=True)
class Prepare(Request):
    """What there is to do, and meanwhile which probes work: answers (Prepared, `Selection`)."""

    task: Task
    before: bytes


@dataclass(frozen=True, slots=True)
class Inspect(Request):
    """Answers an `Inspection`; fails where a disk is full or read-only, or NetworkManager is not well."""


@dataclass(frozen=True, slots=True)
class Wait(Request):
    """Let time pass. `checkpoint` is the foreign one waited for, told about once."""

    seconds: float
    checkpoint: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Open(Request):
    """Answers the `Leftover` where a journal is open, else what was `TakenBack`, if anything, else None."""


@dataclass(frozen=True, slots=True)
class WriteJournal(Request):
    """The journal is on the disk."""

    record: Record
    before: bytes
    desired: bytes


@dataclass(frozen=True, slots=True)
class NoteCheckpoint(Request):
    """The record in the journal is this one."""

    record: Record


@dataclass(frozen=True, slots=True)
class CloseJournal(Request):
    """There is no journal any more; fails where the node was put back meanwhile."""


@dataclass(frozen=True, slots=True)
class RetireJournal(Request):
    """There is no journal any more, but what happened is remembered until it is told."""

    why: str


@dataclass(frozen=True, slots=True)
class Apply(Request):
    """Apply without commit."""

    desired: bytes
    rollback_seconds: int


@dataclass(frozen=True, slots=True)
class FindCheckpoints(Request):
    """Answers a `Standing`."""


@dataclass(frozen=True, slots=True)
class RunProbes(Request):
    """Answers their results."""

    names: tuple[str, ...]
    plan: ProbePlan
    change: Change = NO_CHANGE


@dataclass(frozen=True, slots=True)
class Commit(Request):
    """Keep it."""

    checkpoint: str


@dataclass(frozen=True, slots=True)
class RollBack(Request):
    """Take it back. `foreign`: it is not ours, and its end is told as an event."""

    checkpoint: str
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class SyncProfiles(Request):
    """What NetworkManager wrote is on the disk."""


@dataclass(frozen=True, slots=True)
class RestartNetworkManager(Request):
    """NetworkManager starts anew, after the unit on the host has put back what the journal has."""


@dataclass(frozen=True, slots=True)
class Revert(Request):
    """libnmstate applies, for good, what takes `desired` back to `before`."""

    desired: bytes
    before: bytes


@dataclass(frozen=True, slots=True)
class PutBackFiles(Request):
    """The files that NetworkManager's rollback does not know are as their copies in the journal."""


@dataclass(frozen=True, slots=True)
class Mend(Request):
    """Bring back these parts of the state, which lie outside the checkpoint."""

    parts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference(Request):
    """Answers whether the current state differs from the desired one."""

    desired: bytes
    current: bytes
