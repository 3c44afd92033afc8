"""What went wrong first in an attempt, in the parts that people and programs use. Pure.

- `cause` is a part of a sentence and names the place in the policy; `details` keeps every word that was said.
- A fault is `lasting` only where the policy itself must change: everything else is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError, HostUnavailable
from nmstate_k8s.domain.desired.explain import explain_refusal, first_sentence, interfaces_there
from nmstate_k8s.domain.host.probes.result import ProbeResult

__all__ = ["GENERATE", "Fault", "fault_of", "probes_failed"]

_ASK_SYSTEMD = "`systemctl status NetworkManager` on the node says why"
_NOISE = "Ignoring interface "
GENERATE = "generate"
"""The stage of all that is wrong with the policy itself, on any node."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong first."""

    stage: str
    reason: str
    """The kind of error as one word."""
    cause: str
    """For people: a part of a sentence."""
    interface: str = ""
    details: str = ""
    lasting: bool = False
    """Trying again cannot help: the policy itself must change."""
    advice: str = ""
    """What to do next, as a sentence without its full stop; only where that is more than to correct the policy."""


def fault_of(stage: str, error: Exception, desired: Any, before: bytes = b"") -> Fault:
    """An error that was met at a stage, told of the policy's `desired` on a node that looked like `before`."""
    if isinstance(error, DesiredStateError):
        return Fault(
            GENERATE, error.kind, error.message, error.interface, _whole(error), lasting=True, advice=error.advice
        )
    if isinstance(error, HostUnavailable):
        cause = f"NetworkManager does not answer: {first_sentence(error.message)}"
        return Fault(stage, error.kind, cause, details=_whole(error), advice=_ASK_SYSTEMD)
    if isinstance(error, HostError):
        told = explain_refusal(error.message, desired, interfaces_there(before))
        return Fault(stage, told.reason or error.kind, told.cause, told.interface, _whole(error), advice=told.advice)
    if isinstance(error, OSError) and error.strerror:
        said = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        return Fault(stage, type(error).__name__, said, details=repr(error))
    return Fault(stage, type(error).__name__, str(error) or type(error).__name__, details=repr(error))


def probes_failed(failed: Sequence[ProbeResult]) -> Fault:
    """All that failed are named, and of the first one also what it saw: the others often only follow from it."""
    first, *others = failed
    cause = f"{first.name}: {first.message}"
    if others:
        cause += f", also {', '.join(probe.name for probe in others)}"
    details = "\n".join(f"{probe.name}: {probe.message}" for probe in failed)
    return Fault("probe", "ProbeFailed", cause, details=details)


def _whole(error: HostError) -> str:
    """Every word, but not the line that libnmstate says of each pod's interface."""
    return "\n".join((str(error), *(line for line in error.log if _NOISE not in line)))
