"""What an enactment asks of this node, now: a pure decision over its spec, its status and this boot.

- No spec: wait for admission. A spec of a generation that is final on this node: nothing, ever, whatever restarts.
- Available in this boot: true; a handler that has just started checks it once (`VERIFY`).
- Available in an earlier boot: to be brought about again, visibly (`WORK`).
- Everything else that is admitted (pending, interrupted, retrying, another generation): `WORK`.
"""

from __future__ import annotations

from enum import Enum

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_phase
from nmstate_k8s.api.enactment import Enactment

__all__ = ["Assignment", "assignment"]

_FINAL_FAILURES = frozenset({EnactmentPhase.FAILED, EnactmentPhase.ABORTED})


class Assignment(Enum):
    """What is to be done about an enactment."""

    NOTHING = "nothing"
    VERIFY = "verify"
    WORK = "work"


def assignment(enactment: Enactment, *, boot_id: str, verified: bool) -> Assignment:
    """What is to be done. `verified`: this handler has seen this generation to be true."""
    spec, status = enactment.spec, enactment.status
    if spec is None:
        return Assignment.NOTHING
    if status.policy_generation != spec.policy_generation:
        return Assignment.WORK
    phase = enactment_phase(status.conditions)
    if phase in _FINAL_FAILURES:
        return Assignment.NOTHING
    if phase is not EnactmentPhase.AVAILABLE or status.boot_id != boot_id:
        return Assignment.WORK
    return Assignment.NOTHING if verified else Assignment.VERIFY
