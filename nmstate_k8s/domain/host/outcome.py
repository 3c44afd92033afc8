"""How a transaction ended, and the one sentence about it that stands on the enactment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nmstate_k8s.domain.host.fault import GENERATE, Fault
from nmstate_k8s.domain.host.prepare import Prepared
from nmstate_k8s.domain.host.probes.result import ProbeResult

__all__ = ["MAX_MESSAGE", "Outcome", "message"]

MAX_MESSAGE = 300
GENERATE_PREFIX = "failure generating desiredState and capturedStates"
"""Scripts look for it at the beginning of the message."""

INTERRUPTED = "interrupted"
_WHAT_FAILED: Mapping[str, str] = {
    "read": "the node's state cannot be read",
    GENERATE: "the policy cannot be carried out",
    "validate": "apply refused",
    "inspect": "cannot begin",
    "journal": "cannot begin",
    "apply": "apply failed",
    "locate": "apply lost",
    "probe": "probe failed",
    "commit": "commit failed",
    "recover": "an earlier change is not taken back yet",
    INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. Without a fault the node is as desired, and probed."""

    transaction_id: str
    prepared: Prepared | None = None
    fault: Fault | None = None
    touched: bool = False
    """Whether anything on the node was changed, if only for a while."""
    kept: bool = False
    """Whether it was committed; with a fault: but what came after failed."""
    rollback_seconds: float | None = None
    """How long the way back took; None: there was none."""
    restarted: bool = False
    """Whether the way back was a restart of NetworkManager with the old files in place."""
    stuck: bool = False
    """Whether the way back failed: NetworkManager's own timeout, or the next handler, goes it."""
    done: str = ""
    """What was done, where somebody else did it."""
    unlike: tuple[str, ...] = ()
    """Paths at which the node, after the way back, is not as it was."""
    stranded: tuple[str, ...] = ()
    """Probes that fail after the way back, too."""
    probes: tuple[ProbeResult, ...] = ()
    timing: Mapping[str, float] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return self.fault is None


def message(node: str, outcome: Outcome, retry: str = "") -> str:
    """At most 300 characters: node, stage, cause, what was done, what comes next; in a line that begins `Error:`.

    Of a cause that is too long the end is left out, and the advice before that: both stand whole in the details.
    """
    fault = outcome.fault
    if fault is None:
        return ""
    head = f"{GENERATE_PREFIX}\n" if fault.stage == GENERATE else ""
    begin = f"{head}Error: node {node}: {_WHAT_FAILED.get(fault.stage, fault.stage)}: "
    done, cause = f"; {_what_was_done(outcome)}", " ".join(fault.cause.split())
    advice = f". {fault.advice}" if fault.advice else ""
    end = done + advice + (f". {retry}" if retry else "")
    if len(begin) + len(cause) + len(end) > MAX_MESSAGE:
        end = done + (f". {retry}" if retry else "")
    room = max(MAX_MESSAGE - len(begin) - len(end), 40)
    return begin + (cause if len(cause) <= room else f"{cause[: room - 1]}…") + end


def _what_was_done(outcome: Outcome) -> str:
    if outcome.done:
        return outcome.done
    if not outcome.touched:
        return "nothing was changed"
    if outcome.kept:
        return "the change is active, but may not outlive a power cut"
    if outcome.stuck:
        return "the rollback failed and will be tried again"
    if outcome.rollback_seconds is None:
        return "rolled back" if not outcome.unlike else f"not as before: {_some(outcome.unlike)}"
    way = "put back by a restart of NetworkManager" if outcome.restarted else "rolled back"
    done = f"{way} in {outcome.rollback_seconds:.1f} s"
    if outcome.stranded:
        done += f", but {_some(outcome.stranded)} still fails"
    if outcome.unlike:
        done += f", but not as before: {_some(outcome.unlike)}"
    return done


def _some(names: tuple[str, ...]) -> str:
    shown = [name if len(name) <= 48 else f"{name[:47]}…" for name in names[:2]]
    return ", ".join(shown) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
