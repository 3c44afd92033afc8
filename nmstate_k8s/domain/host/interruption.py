"""What an enactment says of an attempt that its handler did not live to end."""

from __future__ import annotations

from collections.abc import Mapping

from nmstate_k8s.domain.host.fault import Fault
from nmstate_k8s.domain.host.journal import UNREADABLE, Interrupted
from nmstate_k8s.domain.host.outcome import INTERRUPTED, Outcome

__all__ = ["outcome_of"]

_SAID: Mapping[str, tuple[str, str, str]] = {
    # why: the reason, what happened, what was done
    "boot": ("PowerCut", "the power was cut, or the node was reset, during the apply", "restored at boot"),
    "nm-restart": (
        "NetworkManagerRestarted",
        "NetworkManager and the handler ended during the apply",
        "restored when NetworkManager started",
    ),
    UNREADABLE: (
        "JournalUnreadable",
        "the handler ended during the apply, and its journal on the node cannot be read any more",
        "whether the node is as before is not known",
    ),
    "handler": ("HandlerEnded", "the handler ended during the apply", "rolled back when it started again"),
}


def outcome_of(interrupted: Interrupted) -> Outcome:
    """The attempt has failed; but for `UNREADABLE` the node is as it was."""
    reason, cause, done = _SAID.get(interrupted.why, _SAID["boot"])
    return Outcome(
        transaction_id=interrupted.transaction,
        fault=Fault(INTERRUPTED, reason, cause, details=f"{cause}; {done}"),
        touched=True,
        done=done,
    )
