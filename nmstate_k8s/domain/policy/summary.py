"""How a policy stands, computed from its enactments of the current generation: the first rule that holds wins.

- Only enactments that report the current generation count; what an older one says is of no interest.
- A retrying enactment is progressing: a policy is Degraded only by what stays.
- A policy is Available only when no ready node has anything left to do, so that a failing one is never
  Available in between.
"""

from __future__ import annotations

__all__ = ["Counts", "Summary", "count", "overdue", "summarise"]

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nmstate_k8s.api.conditions import FINISHED, EnactmentPhase, PolicyPhase
from nmstate_k8s.core.printable import printable
from nmstate_k8s.domain.enactment.gate import OPEN, Gate
from nmstate_k8s.domain.policy.facts import EnactmentFacts, NodeFacts

TOLD = 3
"""How many nodes a message names."""
WORDS = 120
"""How long what a node says may be in it, in characters."""


@dataclass(frozen=True)
class Counts:
    """Nodes, by what they are at."""

    matching: int = 0
    ready: int = 0
    available: int = 0
    failed: int = 0
    aborted: int = 0
    pending: int = 0
    """Ready, and waiting to be admitted."""
    working: int = 0
    """Holding a slot of the rollout."""
    unfinished: int = 0
    """Ready, and not finished."""

    @property
    def waiting(self) -> int:
        """Nodes with all of it still before them, ready or not."""
        return self.matching - self.finished - self.working

    @property
    def finished(self) -> int:
        """Nodes at which nothing more happens, ready or not."""
        return self.available + self.failed + self.aborted

    @property
    def not_ready(self) -> int:
        """Matching nodes that are left out of account for now: NotReady, and with nothing begun."""
        return self.matching - self.ready

    @property
    def unavailable(self) -> int:
        """Nodes that count against maxUnavailable."""
        return self.working + self.failed


@dataclass(frozen=True)
class Summary:
    """A policy's phase, in words and numbers."""

    phase: PolicyPhase
    message: str
    counts: Counts
    reason: str = ""
    """Instead of the phase's own; empty: that."""


def count(generation: int, nodes: Mapping[str, NodeFacts], enactments: Mapping[str, EnactmentFacts]) -> Counts:
    """The numbers for the matching ``nodes`` and their ``enactments`` (both by the node's name)."""
    by_phase = dict.fromkeys(EnactmentPhase, 0)
    ready = pending = working = unfinished = 0
    for name, node in nodes.items():
        enactment = enactments.get(name)
        phase = enactment.phase_of(generation) if enactment else None
        if phase:
            by_phase[phase] += 1
        at_work = enactment is not None and enactment.working
        working += at_work
        if node.ready or at_work:  # A node may turn NotReady by the very change that it is carrying out.
            ready += 1
            pending += phase is EnactmentPhase.PENDING
            unfinished += phase not in FINISHED
    return Counts(
        matching=len(nodes),
        ready=ready,
        available=by_phase[EnactmentPhase.AVAILABLE],
        failed=by_phase[EnactmentPhase.FAILED],
        aborted=by_phase[EnactmentPhase.ABORTED],
        pending=pending,
        working=working,
        unfinished=unfinished,
    )


def summarise(
    generation: int,
    nodes: Mapping[str, NodeFacts],
    enactments: Mapping[str, EnactmentFacts],
    gate: Gate = OPEN,
) -> Summary:
    """The policy's phase and message, from the matching ``nodes`` and their ``enactments``.

    A rollout that stands still by a step or by somebody's word (``gate``) says so, while nodes are left to come.
    """
    counts = count(generation, nodes, enactments)
    phase, message = _first_rule(counts)
    summary = Summary(phase, message, counts)
    if phase is PolicyPhase.PROGRESSING and gate.reason and counts.waiting:
        return replace(summary, message=f"{message}, {gate.message}", reason=gate.reason)
    return summary


def overdue(
    summary: Summary,
    generation: int,
    nodes: Mapping[str, NodeFacts],
    enactments: Mapping[str, EnactmentFacts],
    deadline: int,
) -> Summary:
    """The summary of a rollout in which nothing has moved for ``deadline`` seconds: which nodes, and at what."""
    stuck = [
        _at_what(name, generation, enactments.get(name))
        for name, node in sorted(nodes.items())
        if _unfinished(generation, node, enactments.get(name))
    ]
    # Those at work first: they are what the others wait for.
    stuck.sort(key=lambda each: each[0])
    told = "; ".join(words for _, words in stuck[:TOLD]) + (f" and {len(stuck) - TOLD} more" if stuck[TOLD:] else "")
    done = f"{summary.counts.finished}/{summary.counts.ready} nodes finished"
    message = f"{done}, no progress for {deadline} s: {told}"
    return replace(summary, phase=PolicyPhase.DEGRADED, reason="ProgressDeadlineExceeded", message=message)


def _unfinished(generation: int, node: NodeFacts, enactment: EnactmentFacts | None) -> bool:
    working = enactment is not None and enactment.working
    phase = enactment.phase_of(generation) if enactment else None
    return working or (node.ready and phase not in FINISHED)


def _at_what(name: str, generation: int, enactment: EnactmentFacts | None) -> tuple[bool, str]:
    """Whether a node waits, and its stage in words."""
    phase = enactment.phase_of(generation) if enactment else None
    if enactment is not None and enactment.working:
        if phase is None:
            return False, f"node {name} was admitted and has not begun"
        return False, f"node {name} is {phase.value}: {_shortened(enactment.message)}"
    if enactment is None or phase is None:
        return True, f"node {name} has not been told to wait or begin"
    return True, f"node {name} is {phase.value}: {_shortened(enactment.message)}"


def _shortened(words: str) -> str:
    """A node's words: one line that commands no terminal, no longer than a part of a message may be."""
    line = printable(" ".join(words.split()))
    return line if len(line) <= WORDS else f"{line[: WORDS - 1]}…"


def _first_rule(n: Counts) -> tuple[PolicyPhase, str]:
    ignored = f", {n.not_ready} nodes ignored due to NotReady state" if n.not_ready else ""
    if not n.matching:
        return PolicyPhase.IGNORED, "Policy does not match any node"
    if n.failed or n.aborted:
        aborted = f", {n.aborted} nodes aborted configuration" if n.aborted else ""
        return PolicyPhase.DEGRADED, f"{n.failed}/{n.matching} nodes failed to configure{aborted}"
    if n.finished < n.ready:
        return PolicyPhase.PROGRESSING, f"Policy is progressing {n.finished}/{n.ready} nodes finished{ignored}"
    if n.pending:
        return (
            PolicyPhase.PROGRESSING,
            f"Policy is progressing {n.finished}/{n.ready} nodes finished, {n.pending} pending",
        )
    if n.unfinished:  # Nodes that finished and are NotReady now must not stand in for ready ones at work.
        done = n.ready - n.unfinished
        return PolicyPhase.PROGRESSING, f"Policy is progressing {done}/{n.ready} nodes finished{ignored}"
    return PolicyPhase.AVAILABLE, f"{n.available}/{n.matching} nodes successfully configured{ignored}"
