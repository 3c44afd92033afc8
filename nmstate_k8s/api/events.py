"""Events: all that we tell with `kubectl events`, as rows of one table.

- Who records an event takes it from here, so that the reference (docs/reference/events.md) lacks none.
- A turn of a policy or of an enactment has the reason of its condition: who knows one knows the other.
"""

from __future__ import annotations

__all__ = [
    "ENACTMENT_TURNS",
    "EVENTS",
    "FOREIGN_CHECKPOINT",
    "FOREIGN_CHECKPOINT_ROLLED_BACK",
    "POLICY_STANDSTILLS",
    "POLICY_TURNS",
    "RECONCILE_FAILED",
    "SECOND_NMSTATE",
    "SETTINGS_SKIPPED",
    "EventKind",
]

from collections.abc import Mapping
from dataclasses import dataclass

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.api.meta import CONTROLLER_MANAGER, HANDLER_MANAGER, OPERATOR_MANAGER


@dataclass(frozen=True)
class EventKind:
    """One kind of event."""

    reason: str
    about: str
    """The kind of the object that it is recorded for."""
    by: str
    """The reporting controller."""
    when: str
    """For people: what happened."""
    warning: bool = False
    action: str = "Configure"
    """What was done, or tried."""

    @property
    def type(self) -> str:
        """Normal or Warning."""
        return "Warning" if self.warning else "Normal"

    def told(self, note: str) -> tuple[str, str, str, str]:
        """Type, reason, note and action, as a recorder takes them."""
        return self.type, self.reason, note, self.action


def _node(reason: str, when: str, *, warning: bool = False) -> EventKind:
    return EventKind(reason, "Node", HANDLER_MANAGER, when, warning)


def _policy(reason: str, when: str, *, warning: bool = False) -> EventKind:
    return EventKind(reason, "NodeNetworkConfigurationPolicy", CONTROLLER_MANAGER, when, warning)


ENACTMENT_TURNS: Mapping[EnactmentPhase, EventKind] = {
    EnactmentPhase.PROGRESSING: _node("ConfigurationProgressing", "The node begins an attempt to apply a policy."),
    EnactmentPhase.RETRYING: _node(
        "Retrying", "An attempt failed and was taken back; there will be another one.", warning=True
    ),
    EnactmentPhase.FAILED: _node(
        "FailedToConfigure", "The policy failed on the node for good; the note has the error.", warning=True
    ),
    EnactmentPhase.AVAILABLE: _node("SuccessfullyConfigured", "The node is as the policy says."),
}
"""What a node tells of itself, by the phase that an enactment has come to. Pending and Aborted are not its doing."""

POLICY_TURNS: Mapping[PolicyPhase, EventKind] = {
    PolicyPhase.IGNORED: _policy("NoMatchingNode", "The policy matches no node that runs a handler."),
    PolicyPhase.PROGRESSING: _policy("ConfigurationProgressing", "Nodes are at work on the policy, or wait for it."),
    PolicyPhase.DEGRADED: _policy(
        "FailedToConfigure", "A node failed, or aborted; the note counts them.", warning=True
    ),
    PolicyPhase.AVAILABLE: _policy("SuccessfullyConfigured", "All ready nodes are as the policy says."),
}
"""What is told of a policy, by the phase that it has come to."""

POLICY_STANDSTILLS: Mapping[str, EventKind] = {
    each.reason: each
    for each in (
        _policy("PausedAtStep", "A step of the rollout is complete and soaks, or waits for its time or for somebody."),
        _policy("RolloutPaused", "Somebody paused the rollout by annotation."),
        _policy(
            "ProgressDeadlineExceeded", "Nothing moved for too long; the note names nodes and stages.", warning=True
        ),
    )
}
"""What is told instead where a rollout stands still, by the reason of its condition."""

RECONCILE_FAILED = _policy(
    "ReconcileFailed", "A node failed for good: once for each node, with its error.", warning=True
)
FOREIGN_CHECKPOINT = _node(
    "ForeignCheckpoint",
    "Another program holds a checkpoint of NetworkManager; the policy waits until that has timed out.",
)
FOREIGN_CHECKPOINT_ROLLED_BACK = _node(
    "ForeignCheckpointRolledBack",
    "A checkpoint that another program left behind had timed out, or would never; it is rolled back.",
    warning=True,
)
SETTINGS_SKIPPED = _node(
    "SettingsSkipped",
    "nmstate skips a part of a policy on this node without a word; the note says which.",
    warning=True,
)
SECOND_NMSTATE = EventKind(
    "SecondNMState",
    "NMState",
    OPERATOR_MANAGER,
    "There was an NMState already; the younger one, which this is about, is deleted.",
    warning=True,
    action="Delete",
)

EVENTS = (
    *POLICY_TURNS.values(),
    *POLICY_STANDSTILLS.values(),
    RECONCILE_FAILED,
    *ENACTMENT_TURNS.values(),
    FOREIGN_CHECKPOINT,
    FOREIGN_CHECKPOINT_ROLLED_BACK,
    SETTINGS_SKIPPED,
    SECOND_NMSTATE,
)
"""All of them."""
