"""Whether a history of policies, nodes and enactments keeps the promises of the rollout, version by version.

Judged at each write that lets a node begin (an admission):

- **limit**: with it, no more nodes are at work or failed than the policy of that generation allows. Whatever is
  there counts, also enactments that are to go: until they are gone their nodes may be at work.
- **ready**: a node that had no slot gets one only if it is Ready and selected.
- **one order**: the generation is one that the policy had, of that very policy, never an older one than before, not
  one that was overtaken long ago, and says what the policy said then.

And at every other version:

- **one enactment** for a policy and a node.
- **final stays**: what failed or aborted stays so until the policy changes.
- **aborted only with cause**: never a node at work, never before as many failed as may be unavailable.
- **a wait has a reason**: reason and message.

A controller knows of the world what it was told: a node counts as Ready, selected or counted if it was so at any
moment of the last `lag` seconds. What the controllers wrote themselves is judged to the version.

It shares no code with what it checks. Feed it in the order of the versions, whichever kind they are of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nmstate_k8s.testing.rollout.seen import SeenEnactment, SeenNode, SeenPolicy, allowed, selects

__all__ = ["Checker", "Violation"]


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    version: int
    rule: str
    what: str

    def __str__(self) -> str:
        return f"at version {self.version}: {self.rule}: {self.what}"


@dataclass(frozen=True)
class _Was:
    """How a node was until a moment; None: not there."""

    until: float
    node: SeenNode | None


class Checker:
    """`see` it all; `violations` are what was found, `now` how it stands."""

    def __init__(self, *, lag: float = 5.0) -> None:
        self.lag = lag
        self.violations: list[Violation] = []
        self.admissions = 0
        self.nodes: dict[str, SeenNode] = {}
        self.policies: dict[str, SeenPolicy] = {}
        self.enactments: dict[str, dict[str, SeenEnactment]] = {}
        """By the policy's name, then by their own."""
        self._said: dict[tuple[str, int], Mapping[str, Any]] = {}
        """What each generation of each policy (by uid) said."""
        self._since: dict[tuple[str, int], float] = {}
        self._earlier: dict[str, deque[_Was]] = {}
        self._version = 0

    # --- What happens -----------------------------------------------------------------------------------------

    def see(self, kind: str, what: str, obj: Mapping[str, Any], at: float, *, judge: bool = True) -> None:
        """An object was ADDED, MODIFIED or DELETED; `at`: seconds on any clock that only goes forward.

        `judge=False`: it was so before we looked.

        :raises ValueError: if that kind is none of ours.
        """
        self._version = int(obj["metadata"]["resourceVersion"])
        gone = what == "DELETED"
        if kind == "Node":
            self._see_node(SeenNode.of(obj), gone, at)
        elif kind == "NodeNetworkConfigurationPolicy":
            self._see_policy(SeenPolicy.of(obj), gone, at)
        elif kind == "NodeNetworkConfigurationEnactment":
            self._see_enactment(SeenEnactment.of(obj), gone, at, judge)
        else:
            raise ValueError(f"the rollout is not about a {kind}")

    def _see_node(self, node: SeenNode, gone: bool, at: float) -> None:
        before = self.nodes.get(node.name)
        earlier = self._earlier.setdefault(node.name, deque())
        earlier.append(_Was(at, before))
        while earlier[0].until < at - self.lag:
            earlier.popleft()
        if gone:
            self.nodes.pop(node.name, None)
        else:
            self.nodes[node.name] = node

    def _see_policy(self, policy: SeenPolicy, gone: bool, at: float) -> None:
        if gone:
            self.policies.pop(policy.name, None)
            return
        self.policies[policy.name] = policy
        self._said[policy.uid, policy.generation] = policy.spec
        self._since.setdefault((policy.uid, policy.generation), at)

    def _see_enactment(self, new: SeenEnactment, gone: bool, at: float, judge: bool) -> None:
        of_policy = self.enactments.setdefault(new.policy, {})
        before = of_policy.get(new.name)
        if gone:
            of_policy.pop(new.name, None)
            return
        of_policy[new.name] = new
        if not judge:
            return
        old = before if before is not None and before.uid == new.uid else None
        self._one_enactment(new)
        if new.admitted is not None and (old is None or old.admitted != new.admitted):
            self._admission(old, new, at)
        if old is not None:
            self._final_stays(old, new)
        if new.phase == "Aborted" and (old is None or old.phase != "Aborted" or old.reported != new.reported):
            self._aborted(old, new, at)
        if new.phase in ("Pending", "Aborted") and not new.why:
            self._broken("a wait has a reason", f"{new.name} is {new.phase} and does not say why")

    # --- The promises -----------------------------------------------------------------------------------------

    def _admission(self, old: SeenEnactment | None, new: SeenEnactment, at: float) -> None:
        self.admissions += 1
        generation, uid = new.admitted or 0, self._uid(new)
        self._one_order(old, new, at)
        spec = self._said.get((uid, generation))
        if spec is None or (old is not None and old.at_work):
            return  # told of above; or the node keeps the slot that it has
        if not self._ever(new.node, at, lambda node: node is not None and node.ready and selects(spec, node)):
            self._broken("ready", f"{new.name} was admitted: its node was not there, Ready and selected")
        taken = [each.name for each in self.enactments[new.policy].values() if self._counts(each, uid, generation)]
        limit = allowed(spec, self._selected(spec, at, at_most=True))
        if len(taken) > limit:
            names = ", ".join(sorted(taken))
            self._broken("limit", f"{new.name} was admitted to {generation}, {limit} may be unavailable: {names}")

    @staticmethod
    def _counts(each: SeenEnactment, uid: str, generation: int) -> bool:
        failed = each.policy_uid in ("", uid) and each.ended(generation) == "Failing" and not each.deleting
        return each.at_work or failed

    def _one_order(self, old: SeenEnactment | None, new: SeenEnactment, at: float) -> None:
        generation, uid = new.admitted or 0, self._uid(new)
        spec = self._said.get((uid, generation))
        if spec is None:
            self._broken("one order", f"{new.name} was admitted to {generation}, which policy {uid!r} never was")
            return
        if spec.get("desiredState") != new.desired:
            self._broken("one order", f"{new.name} was admitted to {generation}, which says something else")
        if old is not None and old.policy_uid == new.policy_uid and (old.admitted or 0) > generation:
            self._broken("one order", f"{new.name} was sent back from {old.admitted} to {generation}")
        overtaken = self._since.get((uid, generation + 1))
        if overtaken is not None and at - overtaken > self.lag:
            self._broken("one order", f"{new.name} was admitted to {generation}, {at - overtaken:.1f} s too old")

    def _one_enactment(self, new: SeenEnactment) -> None:
        for each in self.enactments[new.policy].values():
            if each.node == new.node and each.name != new.name:
                self._broken("one enactment", f"{each.name} and {new.name} are both of {new.policy} on {new.node}")

    def _final_stays(self, old: SeenEnactment, new: SeenEnactment) -> None:
        if old.reported is None or old.phase not in ("Failing", "Aborted") or old.policy_uid != new.policy_uid:
            return
        if old.reported == new.reported and new.phase != old.phase:
            self._broken("final stays", f"{new.name} was {old.phase} in {old.reported} and is {new.phase or 'nothing'}")
        if new.admitted == old.reported and old.admitted != new.admitted:
            self._broken("final stays", f"{new.name} was {old.phase} in {old.reported} and is admitted to it again")

    def _aborted(self, old: SeenEnactment | None, new: SeenEnactment, at: float) -> None:
        generation, uid = new.reported or 0, self._uid(new)
        spec = self._said.get((uid, generation))
        if old is not None and old.at_work:
            self._broken("aborted only with cause", f"{new.name} was at work")
        if spec is None:
            return
        own = [each for each in self.enactments[new.policy].values() if each.policy_uid in ("", uid)]
        failed = [each for each in own if each.ended(generation) == "Failing"]
        least = allowed(spec, min(len(own), self._selected(spec, at, at_most=False)))
        if len(failed) < least:
            self._broken("aborted only with cause", f"{new.name}: {len(failed)} failed, {least} may be unavailable")

    # --- What was so a moment ago -----------------------------------------------------------------------------

    def _lately(self, name: str, at: float) -> Iterator[SeenNode | None]:
        """How a node was in the last `lag` seconds."""
        yield self.nodes.get(name)
        for was in self._earlier.get(name, ()):
            if was.until >= at - self.lag:
                yield was.node

    def _ever(self, name: str, at: float, holds: Callable[[SeenNode | None], bool]) -> bool:
        return any(holds(node) for node in self._lately(name, at))

    def _selected(self, spec: Mapping[str, Any], at: float, *, at_most: bool) -> int:
        """How many nodes were selected: of late for a moment (at most), or all the time (at least)."""
        some = any if at_most else all
        return sum(
            some(node is not None and selects(spec, node) for node in self._lately(name, at)) for name in self._earlier
        )

    def _uid(self, enactment: SeenEnactment) -> str:
        policy = self.policies.get(enactment.policy)
        return enactment.policy_uid or (policy.uid if policy else "")

    def _broken(self, rule: str, what: str) -> None:
        self.violations.append(Violation(self._version, rule, what))
