"""What an enactment says of an attempt that its handler did not live to end."""

from __future__ import annotations

from collections.abc import Mapping

from nmstate_k8s.domain.host.fault import Fault
from nmstate_k8s.domain.host.journal import Interrupted
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
    "handler": ("HandlerEnded", "the handler ended during the apply", "rolled back when it started again"),
}


def outcome_of(interrupted: Interrupted) -> Outcome:
    """The attempt has failed, and the node is as it was."""
    reason, cause, done = _SAID.get(interrupted.why, _SAID["boot"])
    return Outcome(
        transaction_id=interrupted.record.transaction,
        fault=Fault(INTERRUPTED, reason, cause, details=f"{cause}; {done}"),
        touched=True,
        done=done,
    )
