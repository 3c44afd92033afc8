"""Which enactments are to be created, admitted, aborted and deleted: the heart of the rollout, a pure function.

The set of nodes at work *is* the enactments that are admitted and have not reported their end. There is no
counter, so none can leak: a crashed handler, a rebooted or deleted node, a lost controller change nothing but
time.

- At most ``maxUnavailable`` nodes are at work or failed; a node gets a slot only while it is Ready. One that
  became NotReady at work keeps its slot, one that was NotReady before waits without blocking others.
- An enactment that is to go (its node left, ceased to match, or the policy is another one) holds its slot until it is
  gone: its node may be at work still. One whose node is amid a change (``ending``) goes when that has ended.
- A node at work on an older generation is admitted to the newest at once: it keeps the slot that it has.
- When as many nodes have failed as may be unavailable, those that wait abort. What is final stays.
- A gate (`gate`) holds back those that have not begun: steps, pauses, an abort. A node at work on an older generation
  that the gate does not let through finishes that one.
- Never two nodes of the control plane at once, whatever the policy; and at most as many nodes as all policies share.
  A node that is at work already, for another policy, takes no more of these.
- The leader's own node comes last: who changes it may lose the leader.
- Planning again after a plan was carried out asks for nothing more.

Until its node is admitted to a generation, the controller writes an enactment's status (Pending, Aborted); from
then on until the end, the node does.
"""

from __future__ import annotations

__all__ = ["Abort", "Create", "Hold", "Plan", "Shared", "plan"]

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from nmstate_k8s.api.conditions import FINISHED, EnactmentPhase
from nmstate_k8s.domain.enactment.gate import OPEN, Gate, begun
from nmstate_k8s.domain.policy.facts import EnactmentFacts, NodeFacts
from nmstate_k8s.domain.policy.maxunavailable import scaled

SETTLED = FINISHED | {EnactmentPhase.PENDING}
NOT_READY = "Waiting for the node to become Ready"
NEXT_STEP = "Waiting for the rollout's next step"
OTHERS = "Waiting for nodes at work for other policies"
TOLD = 3
"""How many failed ones a message names: it is written on each enactment that aborts, in a large cluster on hundreds."""


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
class Shared:
    """What a policy must leave to others."""

    busy: Set[str] = frozenset()
    """Nodes at work for other policies."""
    control_plane: Set[str] = frozenset()
    """All nodes of the control plane."""
    limit: int | None = None
    """How many nodes may be at work for all policies together."""
    last: str = ""
    """The node that the leader runs on."""


@dataclass(frozen=True)
class Plan:
    """What is to be written, and nothing where all is as it should be."""

    delete: tuple[EnactmentFacts, ...] = ()
    create: tuple[Create, ...] = ()
    admit: tuple[EnactmentFacts, ...] = ()
    hold: tuple[Hold, ...] = ()
    abort: tuple[Abort, ...] = ()
    waits_for_others: bool = False
    """A node waits for what other policies are at."""

    def __bool__(self) -> bool:
        return bool(self.delete or self.create or self.admit or self.hold or self.abort)

    @property
    def admitted(self) -> list[str]:
        """The nodes that are to begin."""
        return [each.node for each in self.admit] + [each.node.name for each in self.create if each.admitted]


ALONE = Shared()


@dataclass
class _Room:
    """What is left for nodes that have not begun: used up as they are admitted."""

    slots: int
    fresh: int
    at_work: set[str]
    shared: Shared
    missed: bool = field(default=False, init=False)

    def take(self, node: NodeFacts) -> str | None:
        """None: it may begin. Else why it waits; empty: for a slot."""
        if not node.ready:
            return NOT_READY
        if self.fresh <= 0:
            return NEXT_STEP
        if self.slots <= 0:
            return ""
        if not self._among_others(node):
            self.missed = True
            return OTHERS
        self.slots -= 1
        self.fresh -= 1
        self.at_work.add(node.name)
        return None

    def _among_others(self, node: NodeFacts) -> bool:
        if node.control_plane and (self.at_work & self.shared.control_plane) - {node.name}:
            return False
        return self.shared.limit is None or node.name in self.at_work or len(self.at_work) < self.shared.limit


def plan(
    *,
    generation: int,
    policy_uid: str,
    max_unavailable: int | str | None,
    nodes: Mapping[str, NodeFacts],
    enactments: Iterable[EnactmentFacts],
    ending: Set[str] = frozenset(),
    gate: Gate = OPEN,
    shared: Shared = ALONE,
) -> Plan:
    """The plan for a policy with the matching ``nodes`` (by name) and all ``enactments`` that bear its name.

    ``ending``: those (by uid) that, if they are to go, are waited for.
    """
    kept: dict[str, EnactmentFacts] = {}
    obsolete = []
    leaving: set[str] = set()
    for enactment in enactments:
        if enactment.deleting:
            leaving.add(enactment.node)
        elif enactment.node in nodes and enactment.made_for(policy_uid):
            kept[enactment.node] = enactment
        else:
            obsolete.append(enactment)
            leaving.add(enactment.node)
    working = [each for each in kept.values() if each.working]
    failed = [each for each in kept.values() if each.phase_of(generation) is EnactmentPhase.FAILED]
    waiting = [
        nodes[name]
        for name in sorted(nodes, key=lambda name: (name == shared.last, name))
        if name not in leaving and _waits(kept.get(name), generation)
    ]
    going = [each for each in obsolete if each.working or _failed(each, generation, policy_uid)]
    limit = scaled(max_unavailable, len(nodes))
    fresh = len(nodes) if gate.limit is None else gate.limit - sum(begun(each, generation) for each in kept.values())
    moved_on = _move_on(working, generation, fresh)
    if reason := _ends(failed, limit, gate):
        rest = _abort(waiting, kept, generation, reason)
    else:
        at_work = {*shared.busy, *(each.node for each in working), *(each.node for each in going if each.working)}
        slots = limit - len(working) - len(failed) - len(going)
        rest = _admit(waiting, kept, generation, _Room(slots, fresh - len(moved_on), at_work, shared))
    return Plan(
        delete=tuple(each for each in obsolete if each.uid not in ending),
        create=rest.create,
        admit=moved_on + rest.admit,
        hold=rest.hold,
        abort=rest.abort,
        waits_for_others=rest.waits_for_others,
    )


def _move_on(working: Iterable[EnactmentFacts], generation: int, fresh: int) -> tuple[EnactmentFacts, ...]:
    """Nodes at work on an older generation that go straight on to this one."""
    behind = sorted((each for each in working if each.admitted != generation), key=lambda each: each.node)
    return tuple(behind[: max(0, fresh)])


def _ends(failed: Sequence[EnactmentFacts], limit: int, gate: Gate) -> str:
    """Why the rest is to abort; empty: it is not."""
    if gate.abort:
        return gate.abort
    names = sorted(each.name for each in failed)
    told = ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD} more" if names[TOLD:] else "")
    if len(failed) >= limit:
        return f"{told} failed, and maxUnavailable allows no more than {limit} unavailable"
    if failed and gate.canary:
        return f"{told} failed at step {gate.step} of the rollout"
    return ""


def _failed(enactment: EnactmentFacts, generation: int, policy_uid: str) -> bool:
    """Whether it failed in this generation of this very policy."""
    return enactment.made_for(policy_uid) and enactment.phase_of(generation) is EnactmentPhase.FAILED


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


def _admit(waiting: Iterable[NodeFacts], kept: Mapping[str, EnactmentFacts], generation: int, room: _Room) -> Plan:
    """Ready nodes as far as there is room, in their order; the others are told that they wait."""
    create, admit, hold = [], [], []
    for node in waiting:
        enactment = kept.get(node.name)
        why = room.take(node)
        if enactment is None:
            create.append(Create(node, why is None, why or ""))
        elif why is None:
            admit.append(enactment)
        elif enactment.phase_of(generation) not in SETTLED:
            hold.append(Hold(enactment, why))
    return Plan(create=tuple(create), admit=tuple(admit), hold=tuple(hold), waits_for_others=room.missed)


def _abort(waiting: Iterable[NodeFacts], kept: Mapping[str, EnactmentFacts], generation: int, reason: str) -> Plan:
    """Those that wait abort; a node without an enactment gets one first, to say so on."""
    create, abort = [], []
    for node in waiting:
        enactment = kept.get(node.name)
        if enactment is None:
            create.append(Create(node, admitted=False))
        elif enactment.phase_of(generation) not in FINISHED:
            abort.append(Abort(enactment, f"enactment {enactment.name} aborted because {reason}"))
    return Plan(create=tuple(create), abort=tuple(abort))
