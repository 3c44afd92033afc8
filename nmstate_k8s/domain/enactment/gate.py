"""How far a rollout may go now: by its steps, and by what a user says of it. Pure.

- A step is complete when as many nodes as it says are Available; then it soaks, and then its pause lasts.
- Which step a rollout is at follows from the enactments: a step is complete since the last of its nodes became
  Available. Nothing else is remembered, so that nothing is lost with a leader.
- While a rollout is at its steps a node that fails ends it: the others abort.
"""

from __future__ import annotations

__all__ = ["OPEN", "Gate", "gate"]

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from nmstate_k8s.api.conditions import EnactmentPhase
from nmstate_k8s.api.durations import LONGEST, go_duration
from nmstate_k8s.api.rollout import Rollout, Step
from nmstate_k8s.domain.policy.facts import EnactmentFacts
from nmstate_k8s.domain.policy.verbs import Verbs


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a rollout stands with its steps."""

    limit: int | None = None
    """How many nodes may have begun in this generation; None: all."""
    step: int = 0
    """Counted from 1; 0: past all steps, or there are none."""
    reason: str = ""
    """Why it stands still, as one word; empty: it does not, by any step or word."""
    message: str = ""
    opens_in: float | None = None
    """Seconds after which time alone opens it."""
    abort: str = ""
    """Why those that wait are to abort; empty: they are not."""

    @property
    def canary(self) -> bool:
        """Whether it is at a step."""
        return self.step > 0


OPEN = Gate()


def gate(
    rollout: Rollout | None,
    verbs: Verbs,
    *,
    generation: int,
    nodes: int,
    enactments: Collection[EnactmentFacts],
    now: datetime,
) -> Gate:
    """The gate of a policy with so many matching ``nodes`` and the ``enactments`` on them."""
    if verbs.aborted:
        return Gate(limit=0, abort=f"the rollout of generation {generation} was aborted by annotation")
    at = _step(rollout or Rollout(), verbs, generation, nodes, enactments, now)
    if verbs.paused:
        return Gate(limit=0, step=at.step, reason="RolloutPaused", message="paused by annotation")
    return at


def begun(enactment: EnactmentFacts, generation: int) -> bool:
    """Whether a node was let to begin with this generation."""
    ended = enactment.phase_of(generation) in (EnactmentPhase.AVAILABLE, EnactmentPhase.FAILED)
    return enactment.admitted == generation or ended


def _step(
    rollout: Rollout,
    verbs: Verbs,
    generation: int,
    nodes: int,
    enactments: Collection[EnactmentFacts],
    now: datetime,
) -> Gate:
    """The first step that is not over."""
    since = sorted(each.since or now for each in enactments if each.phase_of(generation) is EnactmentPhase.AVAILABLE)
    for number, step in enumerate(rollout.steps, 1):
        wanted = min(nodes, _size(step, nodes))
        if len(since) < wanted:
            return Gate(limit=wanted, step=number)
        if verbs.passes(number) or wanted == 0:
            continue
        words = f"paused at step {number} of {len(rollout.steps)}"
        waits = _soak(rollout) + _pause(step)
        ends = since[wanted - 1] + waits
        if waits and now < ends:
            until = f"{words} until {ends:%Y-%m-%dT%H:%M:%SZ}"
            return Gate(wanted, number, "PausedAtStep", until, (ends - now).total_seconds())
        if step.pause is not None and step.pause.duration is None:
            return Gate(wanted, number, "PausedAtStep", f"{words} until promoted")
    return OPEN


def _size(step: Step, nodes: int) -> int:
    if step.nodes is not None:
        return step.nodes
    return -(-(step.percent or 0) * nodes // 100)


def _soak(rollout: Rollout) -> timedelta:
    return timedelta(seconds=min(rollout.soak_seconds or 0, LONGEST.total_seconds()))


def _pause(step: Step) -> timedelta:
    """None at all where there is no pause, or one without an end."""
    if step.pause is None or step.pause.duration is None:
        return timedelta(0)
    return go_duration(step.pause.duration)
