"""Whether a history of policies, nodes and enactments keeps the promises of the rollout, version by version.

Judged at each write that lets a node begin (an admission):

- **limit**: with it, no more nodes are at work or failed than the policy of that generation allows. Whatever is
  there counts, also enactments that are to go: until they are gone their nodes may be at work.
- **ready**: a node that had no slot gets one only if it is Ready, selected, and runs a handler (or has an enactment
  already: a handler that is replaced takes nothing away at once).
- **control plane**: no other node of the control plane is at work, for whatever policy.
- **budget**: with it, no more nodes are at work for all policies together than the NMState allows.
- **steps**: with it, no more nodes have begun than the policy's steps let, and nobody paused or aborted the rollout.
- **one order**: the generation is one that the policy had, of that very policy, never an older one than before, not
  one that was overtaken long ago, and says what the policy said then.

And at every other version:

- **one enactment** for a policy and a node.
- **an end is waited for**: when a policy is deleted, the enactment of a node that is amid a change does not go at once.
- **final stays**: what failed or aborted stays so until the policy changes.
- **aborted only with cause**: never a node at work, never before as many failed as may be unavailable.
- **a wait has a reason**: reason and message.

A controller knows of the world what it was told: a node counts as Ready, selected or counted if it was so at any
moment of the last `lag` seconds, and a failed enactment that went with its node counts as long. What the controllers
wrote themselves is judged to the version.

It shares no code with what it checks. Feed it in the order of the versions, whichever kind they are of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nmstate_k8s.testing.rollout.lately import Lately
from nmstate_k8s.testing.rollout.seen import SeenEnactment, SeenNode, SeenPod, SeenPolicy, allowed, selects
from nmstate_k8s.testing.rollout.steps import most_begun

__all__ = ["Checker", "Violation"]

CLOCKS = 1.5
"""Seconds by which a pause may seem to end too early: times in objects are whole seconds."""


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    version: int
    rule: str
    what: str

    def __str__(self) -> str:
        return f"at version {self.version}: {self.rule}: {self.what}"


@dataclass(frozen=True)
class _Ceased:
    """An enactment was Available until a moment: the policy's uid and generation, and since when."""

    until: float
    of: tuple[str, int]
    since: float


class Checker:
    """`see` it all; `violations` are what was found, `now` how it stands."""

    def __init__(self, *, lag: float = 5.0) -> None:
        self.lag = lag
        self.violations: list[Violation] = []
        self.admissions = 0
        self.lately = Lately(lag)
        self.policies: dict[str, SeenPolicy] = {}
        self.enactments: dict[str, dict[str, SeenEnactment]] = {}
        """By the policy's name, then by their own."""
        self._said: dict[tuple[str, int], Mapping[str, Any]] = {}
        """What each generation of each policy (by uid) said."""
        self._unseen: dict[str, set[int]] = {}
        """Generations of policies (by uid) that went by while nobody looked."""
        self._since: dict[tuple[str, int], float] = {}
        self.budget: Any = None
        """How many nodes may be at work for all policies together; None: as many as like."""
        self._budgets: deque[tuple[float, Any]] = deque()
        """Earlier ones, and until when."""
        self.promoted: dict[str, set[str]] = {}
        """All promotions that were ever said, by the policy's uid."""
        self._stopped: dict[tuple[str, int], float] = {}
        """Since when a generation of a policy (by uid) is paused or aborted."""
        self._deleted: dict[str, tuple[float, SeenPolicy]] = {}
        """Since when policies (by uid) are gone, and what they said."""
        self._told_to_abort: set[tuple[str, int]] = set()
        self.available_since: dict[str, float] = {}
        """By the enactment's uid, if it is Available in the generation that it reports."""
        self._ceased: list[_Ceased] = []
        self._failed: deque[tuple[float, tuple[str, int]]] = deque()
        """Until when failed enactments were there that went (with their nodes): the policy's uid and generation."""
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
            self.lately.see(SeenNode.of(obj), gone, at)
        elif kind == "Pod":
            self.lately.see_pod(SeenPod.of(obj), gone, at)
        elif kind == "NodeNetworkConfigurationPolicy":
            self._see_policy(SeenPolicy.of(obj), gone, at)
        elif kind == "NodeNetworkConfigurationEnactment":
            self._see_enactment(SeenEnactment.of(obj), gone, at, judge)
        elif kind == "NMState":
            self._budgets.append((at, self.budget))
            self.budget = None if gone else ((obj.get("spec") or {}).get("rollout") or {}).get("maxUnavailable")
        else:
            raise ValueError(f"the rollout is not about a {kind}")

    def _see_policy(self, policy: SeenPolicy, gone: bool, at: float) -> None:
        if gone:
            self.policies.pop(policy.name, None)
            self._deleted[policy.uid] = (at, policy)
            return
        before = self.policies.get(policy.name)
        known = before.generation if before is not None and before.uid == policy.uid else 0
        self._unseen.setdefault(policy.uid, set()).update(range(known + 1, policy.generation))
        self.policies[policy.name] = policy
        self._said[policy.uid, policy.generation] = policy.spec
        self._since.setdefault((policy.uid, policy.generation), at)
        self.promoted.setdefault(policy.uid, set()).add(policy.words.get("promote", ""))
        if policy.said("pause") or policy.said("abort"):
            self._stopped.setdefault((policy.uid, policy.generation), at)
            if policy.said("abort"):
                self._told_to_abort.add((policy.uid, policy.generation))
        else:
            self._stopped.pop((policy.uid, policy.generation), None)

    def _see_enactment(self, new: SeenEnactment, gone: bool, at: float, judge: bool) -> None:
        of_policy = self.enactments.setdefault(new.policy, {})
        before = of_policy.get(new.name)
        self._date(before, None if gone else new, at)
        if gone:
            of_policy.pop(new.name, None)
            if new.phase == "Failing":
                self._failed.append((at, (self._uid(new), new.reported or 0)))
            if judge:
                self._end_is_waited_for(new, at)
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

    def _date(self, before: SeenEnactment | None, new: SeenEnactment | None, at: float) -> None:
        """Note since when it is Available, and until when it was."""
        ended = [each and each.phase == "Available" and (each.uid, each.reported) for each in (before, new)]
        if ended[0] == ended[1]:
            return
        if before is not None and ended[0]:
            since = self.available_since.pop(before.uid)
            self._ceased.append(_Ceased(at, (self._uid(before), before.reported or 0), since))
        if new is not None and ended[1]:
            self.available_since[new.uid] = at

    # --- The promises -----------------------------------------------------------------------------------------

    def _admission(self, old: SeenEnactment | None, new: SeenEnactment, at: float) -> None:
        self.admissions += 1
        generation, uid = new.admitted or 0, self._uid(new)
        self._one_order(old, new, at)
        spec = self._said.get((uid, generation))
        if spec is None:
            return  # told of above
        self._steps(new, spec, uid, at)
        if old is not None and old.at_work:
            return  # the node keeps the slot that it has
        self._among_others(new, at)
        if not self.lately.ever(new.node, at, lambda node: node.ready and selects(spec, node)):
            self._broken("ready", f"{new.name} was admitted: its node was not there, Ready and selected")
        if old is None and not self.lately.ran_handler(new.node, at):
            self._broken("ready", f"{new.name} was admitted: its node ran no handler")
        taken = [each.name for each in self.enactments[new.policy].values() if self._counts(each, uid, generation)]
        limit = allowed(spec, self._matching(new.policy, spec, at)[-1])
        if len(taken) > limit:
            names = ", ".join(sorted(taken))
            self._broken("limit", f"{new.name} was admitted to {generation}, {limit} may be unavailable: {names}")

    def _steps(self, new: SeenEnactment, spec: Mapping[str, Any], uid: str, at: float) -> None:
        generation = new.admitted or 0
        since = self._stopped.get((uid, generation))
        if since is not None and at - since > self.lag:
            self._broken("steps", f"{new.name} was admitted to {generation}, which somebody paused or aborted")
        if not (spec.get("rollout") or {}).get("steps"):
            return
        own = [each for each in self.enactments[new.policy].values() if each.made_for(uid)]
        sure = [each for each in own if each is new or self.lately.surely_matches(spec, each.node, at)]
        begun = sum(each.admitted == generation or each.ended(generation) in ("Available", "Failing") for each in sure)
        surely = sum(each.ended(generation) == "Available" for each in sure)
        available = [self.available_since[each.uid] for each in own if each.ended(generation) == "Available"]
        available += [
            each.since for each in self._ceased if each.of == (uid, generation) and each.until >= at - self.lag
        ]
        promoted = self.promoted.get(uid, set())
        most = max(
            most_begun(spec, promoted, generation, nodes, sorted(available)[:known], at + CLOCKS)
            for nodes in self._matching(new.policy, spec, at)
            for known in range(surely, len(available) + 1)
        )
        if begun > most:
            self._broken("steps", f"{new.name} was admitted to {generation} as number {begun}, {most} may have begun")

    def _among_others(self, new: SeenEnactment, at: float) -> None:
        busy = {each.node for of_policy in self.enactments.values() for each in of_policy.values() if each.at_work}
        others = busy - {new.node}
        control_plane = [
            name for name in (new.node, *others) if self.lately.always(name, at, lambda node: node.control_plane)
        ]
        if control_plane[:1] == [new.node] and len(control_plane) > 1:
            self._broken("control plane", f"{new.name} was admitted while {control_plane[1:]} is at work")
        already = any(
            each.node == new.node and each.at_work
            for name, of_policy in self.enactments.items()
            if name != new.policy
            for each in of_policy.values()
        )
        budgets = [self.budget, *(said for until, said in self._budgets if until >= at - self.lag)]
        if already or None in budgets:
            return
        most = max(allowed({"maxUnavailable": each}, self.lately.handlers(at)) for each in budgets)
        if len(busy) > most:
            self._broken("budget", f"{new.name} was admitted, {most} may be at work: {', '.join(sorted(busy))}")

    @staticmethod
    def _counts(each: SeenEnactment, uid: str, generation: int) -> bool:
        failed = each.made_for(uid) and each.ended(generation) == "Failing" and not each.deleting
        return each.at_work or failed

    def _one_order(self, old: SeenEnactment | None, new: SeenEnactment, at: float) -> None:
        generation, uid = new.admitted or 0, self._uid(new)
        spec = self._said.get((uid, generation))
        if spec is None and generation in self._unseen.get(uid, ()):
            return
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

    def _end_is_waited_for(self, gone: SeenEnactment, at: float) -> None:
        """As far as nobody else can have a reason to delete it: the node is there, and was selected all the time."""
        since, policy = self._deleted.get(gone.policy_uid, (at, None))
        amid = gone.at_work and gone.reported == gone.admitted and gone.phase == "Progressing"
        if policy is None or not amid or at - since > self.lag:
            return
        if self.lately.surely_matches(policy.spec, gone.node, at):
            self._broken("an end is waited for", f"{gone.name} went while its node was amid a change")

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
        own = [each for each in self.enactments[new.policy].values() if each.made_for(uid)]
        failed = sum(each.ended(generation) == "Failing" for each in own)
        while self._failed and self._failed[0][0] < at - self.lag:
            self._failed.popleft()
        failed += sum(of == (uid, generation) for _, of in self._failed)
        least = allowed(spec, min(len(own), self._matching(new.policy, spec, at)[0]))
        if failed and (spec.get("rollout") or {}).get("steps"):
            return
        if failed < least and (uid, generation) not in self._told_to_abort:
            self._broken("aborted only with cause", f"{new.name}: {failed} failed, {least} may be unavailable")

    # --- Small things -----------------------------------------------------------------------------------------

    def _matching(self, policy: str, spec: Mapping[str, Any], at: float) -> range:
        return self.lately.matching(spec, at, {each.node for each in self.enactments.get(policy, {}).values()})

    def _uid(self, enactment: SeenEnactment) -> str:
        policy = self.policies.get(enactment.policy)
        return enactment.policy_uid or (policy.uid if policy else "")

    def _broken(self, rule: str, what: str) -> None:
        self.violations.append(Violation(self._version, rule, what))
