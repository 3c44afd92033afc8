"""What a transaction asks of the world: each request is carried out by `executor.Executor`, and answered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nmstate_k8s.domain.host.journal import Record
from nmstate_k8s.domain.host.probes.plan import DEFAULT_PLAN, ProbePlan
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change
from nmstate_k8s.domain.host.protocol import NetworkManager

__all__ = [
    "Task",
    "Inspection",
    "Request",
    "ReadState",
    "Prepare",
    "Inspect",
    "Wait",
    "WriteJournal",
    "CloseJournal",
    "Apply",
    "FindCheckpoints",
    "RunProbes",
    "Commit",
    "RollBack",
    "SyncProfiles",
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
    """Whether a transaction can begin: NetworkManager, the journal, the clock of checkpoints, this boot."""

    networkmanager: NetworkManager
    record: Record | None
    now: int
    """Milliseconds since boot."""
    boot_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """Something to be carried out; its answer goes to the step that asked."""


@dataclass(frozen=True, slots=True)
class ReadState(Request):
    """The whole state: answers bytes."""


@dataclass(frozen=True, slots=True)
class Prepare(Request):
    """What there is to do, and meanwhile which probes work: answers (Prepared, `Selection`, open `Record`)."""

    task: Task
    before: bytes


@dataclass(frozen=True, slots=True)
class Inspect(Request):
    """Answers an `Inspection`; fails where the journal cannot be written or NetworkManager is not well."""


@dataclass(frozen=True, slots=True)
class Wait(Request):
    """Let time pass. `checkpoint` is the foreign one waited for, told about once."""

    seconds: float
    checkpoint: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteJournal(Request):
    """The record is on the disk."""

    record: Record


@dataclass(frozen=True, slots=True)
class CloseJournal(Request):
    """There is no record any more."""


@dataclass(frozen=True, slots=True)
class Apply(Request):
    """Apply without commit."""

    desired: bytes
    rollback_seconds: int


@dataclass(frozen=True, slots=True)
class FindCheckpoints(Request):
    """Answers `NetworkManager`."""


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
