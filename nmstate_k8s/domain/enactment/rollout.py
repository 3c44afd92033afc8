"""Which enactments are to be created, admitted, aborted and deleted: the heart of the rollout, a pure function.

The set of nodes at work *is* the enactments that are admitted and have not reported their end. There is no
counter, so none can leak: a crashed handler, a rebooted or deleted node, a lost controller change nothing but
time.

- At most ``maxUnavailable`` nodes are at work or failed; a node gets a slot only while it is Ready. One that
  became NotReady at work keeps its slot, one that was NotReady before waits without blocking others.
- An enactment that is to go (its node left, ceased to match, or the policy is another one) holds its slot until it is
  gone: its node may be at work still.
- A node at work on an older generation is admitted to the newest at once: it keeps the slot that it has.
- When as many nodes have failed as may be unavailable, those that wait abort. What is final stays.
- Planning again after a plan was carried out asks for nothing more.

Until its node is admitted to a generation, the controller writes an enactment's status (Pending, Aborted); from
then on until the end, the node does.
"""

from __future__ import annotations

__all__ = ["Abort", "Create", "Hold", "Plan", "plan"]

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nmstate_k8s.api.conditions import FINISHED, EnactmentPhase
from nmstate_k8s.domain.policy.facts import EnactmentFacts, NodeFacts
from nmstate_k8s.domain.policy.maxunavailable import scaled

SETTLED = FINISHED | {EnactmentPhase.PENDING}
NOT_READY = "Waiting for the node to become Ready"


@dataclass(frozen=True)
class Create:
    """Make the enactment of a node, which is admitted by the same write if there is a slot for it."""

    node: NodeFacts
    admitted: bool
    message: str = ""
    """Why it waits if it is not admitted; empty: for a slot."""


@dataclass(frozen=True)
class Hold:
    """Say on an enactment that it waits; ``message`` empty: for a slot."""

    enactment: EnactmentFacts
    message: str = ""


@dataclass(frozen=True)
class Abort:
    """Say on an enactment that it is not carried out, and why."""

    enactment: EnactmentFacts
    message: str


@dataclass(frozen=True)
class Plan:
    """What is to be written, and nothing where all is as it should be."""

    delete: tuple[EnactmentFacts, ...] = ()
    create: tuple[Create, ...] = ()
    admit: tuple[EnactmentFacts, ...] = ()
    hold: tuple[Hold, ...] = ()
    abort: tuple[Abort, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.delete or self.create or self.admit or self.hold or self.abort)


def plan(
    *,
    generation: int,
    policy_uid: str,
    max_unavailable: int | str | None,
    nodes: Mapping[str, NodeFacts],
    enactments: Iterable[EnactmentFacts],
) -> Plan:
    """The plan for a policy with the matching ``nodes`` (by name) and all ``enactments`` that bear its name."""
    kept: dict[str, EnactmentFacts] = {}
    obsolete = []
    leaving: set[str] = set()
    for enactment in enactments:
        if enactment.deleting:
            leaving.add(enactment.node)
        elif enactment.node in nodes and enactment.policy_uid in ("", policy_uid):
            kept[enactment.node] = enactment
        else:
            obsolete.append(enactment)
            leaving.add(enactment.node)
    working = [each for each in kept.values() if each.working]
    failed = [each for each in kept.values() if each.phase_of(generation) is EnactmentPhase.FAILED]
    waiting = [nodes[name] for name in sorted(nodes) if name not in leaving and _waits(kept.get(name), generation)]
    going = [each for each in obsolete if each.working or _failed(each, generation, policy_uid)]
    limit = scaled(max_unavailable, len(nodes))
    moved_on = tuple(each for each in working if each.admitted != generation)
    if len(failed) >= limit:
        rest = _abort(waiting, kept, generation, failed, limit)
    else:
        rest = _admit(waiting, kept, generation, slots=limit - len(working) - len(failed) - len(going))
    return Plan(
        delete=tuple(obsolete), create=rest.create, admit=moved_on + rest.admit, hold=rest.hold, abort=rest.abort
    )


def _failed(enactment: EnactmentFacts, generation: int, policy_uid: str) -> bool:
    """Whether it failed in this generation of this very policy."""
    return enactment.policy_uid in ("", policy_uid) and enactment.phase_of(generation) is EnactmentPhase.FAILED


def _waits(enactment: EnactmentFacts | None, generation: int) -> bool:
    """Whether a node has this generation still before it.

    One that is Available without our having admitted it (another program did) is admitted too, in its turn: only
    what it is admitted to does a node make true again after a reboot.
    """
    if enactment is None:
        return True
    if enactment.working:
        return False
    phase = enactment.phase_of(generation)
    adopted = phase is EnactmentPhase.AVAILABLE and enactment.admitted != generation
    return phase not in FINISHED or adopted


def _admit(waiting: Iterable[NodeFacts], kept: Mapping[str, EnactmentFacts], generation: int, slots: int) -> Plan:
    """Ready nodes as far as there are slots, by name; the others are told that they wait."""
    create, admit, hold = [], [], []
    for node in waiting:
        enactment = kept.get(node.name)
        admitted = node.ready and slots > 0
        slots -= admitted
        why = "" if node.ready else NOT_READY
        if enactment is None:
            create.append(Create(node, admitted, why))
        elif admitted:
            admit.append(enactment)
        elif enactment.phase_of(generation) not in SETTLED:
            hold.append(Hold(enactment, why))
    return Plan(create=tuple(create), admit=tuple(admit), hold=tuple(hold))


def _abort(
    waiting: Iterable[NodeFacts],
    kept: Mapping[str, EnactmentFacts],
    generation: int,
    failed: Iterable[EnactmentFacts],
    limit: int,
) -> Plan:
    """Those that wait abort; a node without an enactment gets one first, to say so on."""
    names = ", ".join(sorted(each.name for each in failed))
    reason = f"aborted because {names} failed, and maxUnavailable allows no more than {limit} unavailable"
    create, abort = [], []
    for node in waiting:
        enactment = kept.get(node.name)
        if enactment is None:
            create.append(Create(node, admitted=False))
        elif enactment.phase_of(generation) not in FINISHED:
            abort.append(Abort(enactment, f"enactment {enactment.name} {reason}"))
    return Plan(create=tuple(create), abort=tuple(abort))
