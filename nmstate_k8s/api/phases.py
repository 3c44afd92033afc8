"""When each phase holds and what its message says, in words for people: docs/reference/conditions.md has them.

Apart from the tables of `nmstate_k8s.api.conditions`, which programs compare and every program loads.
"""

from __future__ import annotations

__all__ = ["MEANINGS", "Meaning"]

from collections.abc import Mapping
from dataclasses import dataclass

from nmstate_k8s.api.conditions import EnactmentPhase, NMStatePhase, PolicyPhase


@dataclass(frozen=True)
class Meaning:
    """A phase, in words."""

    when: str
    says: str = ""
    """What the message says, where it is not always the same."""


MEANINGS: Mapping[EnactmentPhase | PolicyPhase | NMStatePhase, Meaning] = {
    EnactmentPhase.PENDING: Meaning(
        "The node waits to be admitted: as many nodes as may be are at work on the policy, or the node is NotReady."
    ),
    EnactmentPhase.PROGRESSING: Meaning("The node is at work on the policy. Written before anything is changed."),
    EnactmentPhase.RETRYING: Meaning(
        "An attempt failed and was taken back; the next one comes after a delay.",
        "node, stage, cause, what was done, and `Retrying N/MAX`",
    ),
    EnactmentPhase.FAILED: Meaning(
        "The last attempt failed too, or the policy cannot be meant. Nothing more is tried until the policy"
        " changes, whatever restarts.",
        "node, stage, cause, what was done; it begins with `Error:`, or, where captures or the desired state cannot"
        " be made sense of, with `failure generating desiredState and capturedStates`",
    ),
    EnactmentPhase.AVAILABLE: Meaning("The node is as the policy says, and was probed."),
    EnactmentPhase.ABORTED: Meaning(
        "As many other nodes have failed as maxUnavailable allows, or one at a step of the rollout, or somebody aborted"
        " the rollout; this one was not begun.",
        "the enactments whose failure was the reason, or who aborted it",
    ),
    PolicyPhase.UNKNOWN: Meaning("Nothing is known yet: the policy is new, or was just edited."),
    PolicyPhase.IGNORED: Meaning("No node that runs a handler has the labels of the policy's nodeSelector."),
    PolicyPhase.DEGRADED: Meaning(
        "At least one node failed or aborted; or (reason `ProgressDeadlineExceeded`) nothing has moved for"
        " progressDeadlineSeconds.",
        "`F/M nodes failed to configure`, and `, A nodes aborted configuration` where there are any; or which nodes are"
        " stuck, and at what",
    ),
    PolicyPhase.PROGRESSING: Meaning(
        "Ready nodes are at work on the policy, or wait for it; with reason `PausedAtStep` or `RolloutPaused` they wait"
        " for a step of the rollout, or for somebody.",
        "`Policy is progressing X/R nodes finished`, and `, P pending` or `, N nodes ignored due to NotReady state`"
        " where there are any",
    ),
    PolicyPhase.AVAILABLE: Meaning(
        "All matching nodes that are ready are as the policy says.",
        "`X/M nodes successfully configured`, and `, N nodes ignored due to NotReady state` where there are any",
    ),
    NMStatePhase.DEPLOYING: Meaning(
        "Objects were applied, and not all pods are ready.",
        "each Deployment and DaemonSet that lacks pods, and why they do not work",
    ),
    NMStatePhase.AVAILABLE: Meaning("Everything that is installed runs and is ready."),
    NMStatePhase.ERROR: Meaning("An object cannot be applied.", "the API server's error, with the object"),
}
"""By phase; there is one for each."""
