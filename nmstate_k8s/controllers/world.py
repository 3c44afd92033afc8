"""What the controller knows of the cluster: nodes, handler pods and enactments, as facts kept up to date.

- Each event costs work for the one object that changed: it is read once, and found again by name.
- **Read your own writes**: what we wrote counts at once, although the watch tells of it later. Otherwise a plan
  made in between could give one slot to two nodes. A write that the watch does not confirm for a while is
  ``unconfirmed``; whoever plans asks the API server for it, so that nothing here outlives the object.
- **Policies share**: who is at work for whom is kept by node, and what a policy is about to admit counts before it is
  written, so that two policies that are planned at once do not give one place to two nodes.
- **Our own clock** says since when an enactment is in its phase, if we have seen it come to it; the node's, if not.
- An enactment that is to go is **waited for** while its node says that it is amid a change: what is still at work
  keeps its slot, also from a policy of the same name. Not for ever, and not where the node itself is gone.
- A node runs a handler while a handler pod is on it, and, if it has enactments of that very policy, for a while
  longer: a handler that is replaced by a newer one takes nothing away.
"""

from __future__ import annotations

__all__ = ["CONFIRM_WITHIN", "ENDS_WITHIN", "HANDLER_GRACE", "Ending", "Matching", "World"]

from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace

from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.domain.enactment.rollout import Shared
from nmstate_k8s.domain.policy.facts import (
    EnactmentFacts,
    NodeFacts,
    PolicyFacts,
    enactment_facts,
    node_facts,
    pod_node,
    shared_limit,
)
from nmstate_k8s.domain.policy.maxunavailable import scaled
from nmstate_k8s.domain.policy.selection import matches

HANDLER_GRACE = 60.0
"""Seconds for which a node with an enactment may be without a handler pod and still be one of the policy's."""

CONFIRM_WITHIN = 10.0
"""Seconds in which the watch tells of our writes, or else we ask."""


ENDS_WITHIN = 25.0
"""Seconds that an enactment that is to go is waited for: it must be gone within 30 (the API's contract)."""


@dataclass(frozen=True)
class Ending:
    """Enactments (by uid) that are to go when their nodes have ended, and after how many seconds one goes anyhow."""

    uids: Set[str] = frozenset()
    recheck_after: float | None = None


@dataclass(frozen=True)
class Matching:
    """The nodes that a policy is to be brought about on, and after how many seconds time alone may change that."""

    nodes: Mapping[str, NodeFacts]
    recheck_after: float | None = None


class World:
    """Fed by informers and by what we write; read by the reconcilers."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, *, own_node: str = "") -> None:
        self.wait_for_others: set[str] = set()
        """Policies that go on when others have finished."""
        self._clock = clock
        self._own_node = own_node
        self._started = clock.monotonic()
        self._nodes: dict[str, NodeFacts] = {}
        self._pods: dict[str, set[Key]] = {}
        self._left: dict[str, float] = {}
        self._enactments: dict[str, dict[str, EnactmentFacts]] = {}
        self._unconfirmed: dict[str, tuple[EnactmentFacts, float]] = {}
        self._at_work: dict[str, set[str]] = {}
        """Policies by the node that is at work for them."""
        self._admitting: dict[str, frozenset[str]] = {}
        """Nodes by the policy that is being brought to them."""
        self._waited_for: dict[str, dict[str, float]] = {}
        """Since when a policy's enactments (by uid) are to go and are waited for."""
        self._control_plane: set[str] = set()
        self._shared: dict[Key, Object] = {}

    def follow(self, *, nodes: Informer, pods: Informer, enactments: Informer, nmstates: Informer) -> None:
        """Be told of all changes. Before any controller is, so that it finds them here."""
        nodes.add_handler(self.on_node)
        pods.add_handler(self.on_pod)
        enactments.add_handler(self.on_enactment)
        nmstates.add_handler(self.on_nmstate)

    # --- What happens ---------------------------------------------------------------------------------------

    def on_node(self, event: Event) -> None:
        """A Node changed."""
        name = event.key.name
        self._control_plane.discard(name)
        if event.new is None:
            self._nodes.pop(name, None)
            self._left.pop(name, None)
        else:
            facts = self._nodes[name] = node_facts(event.new)
            if facts.control_plane:
                self._control_plane.add(name)

    def on_nmstate(self, event: Event) -> None:
        """The installation changed."""
        if event.new is None:
            self._shared.pop(event.key, None)
        else:
            self._shared[event.key] = event.new

    def on_pod(self, event: Event) -> None:
        """A handler's pod changed."""
        before = pod_node(event.old) if event.old else pod_node(event.object)
        after = pod_node(event.new) if event.new else ""
        if before and before != after:
            pods = self._pods.get(before, set())
            pods.discard(event.key)
            if not pods and self._pods.pop(before, None) is not None:
                self._left[before] = self._clock.monotonic()
        if after:
            self._pods.setdefault(after, set()).add(event.key)
            self._left.pop(after, None)

    def on_enactment(self, event: Event) -> None:
        """An enactment changed; news that are older than what we wrote are passed over."""
        facts = enactment_facts(event.object)
        written = self._unconfirmed.get(facts.name)
        if written and _older(facts, written[0]):
            return
        self._unconfirmed.pop(facts.name, None)
        if event.new is None:
            self._remove(facts)
        else:
            self._put(self._dated(facts, seen=not event.initial))

    # --- What we did ------------------------------------------------------------------------------------------

    def wrote(self, obj: Object) -> EnactmentFacts:
        """An enactment as the API server answered; it counts unless something newer is known."""
        facts = enactment_facts(obj)
        known = self._enactments.get(facts.policy, {}).get(facts.name)
        if known is None or _older(known, facts):
            self._put(self._dated(facts, seen=True))
            self._unconfirmed[facts.name] = (facts, self._clock.monotonic())
        return facts

    def unconfirmed(self, policy: str) -> list[tuple[EnactmentFacts, float]]:
        """The policy's enactments that we wrote and have not been told of, and for how many seconds."""
        if not self._unconfirmed:
            return []
        now = self._clock.monotonic()
        return [(facts, now - since) for facts, since in self._unconfirmed.values() if facts.policy == policy]

    def confirm(self, facts: EnactmentFacts, found: Object | None) -> None:
        """The API server was asked for an unconfirmed enactment: that is how it stands; None: it is gone."""
        if self._unconfirmed.get(facts.name, (None, 0.0))[0] is not facts:
            return
        del self._unconfirmed[facts.name]
        if found is None:
            self._remove(facts)
        else:
            self.wrote(found)

    @contextmanager
    def admitting(self, policy: str, nodes: Iterable[str]) -> Iterator[None]:
        """While the nodes are being admitted, they count as at work for the other policies."""
        self._admitting[policy] = frozenset(nodes)
        try:
            yield
        finally:
            del self._admitting[policy]

    # --- What is asked ----------------------------------------------------------------------------------------

    def enactments(self, policy: str) -> list[EnactmentFacts]:
        """All enactments that bear the policy's name."""
        return list(self._enactments.get(policy, {}).values())

    def matching(self, policy: PolicyFacts) -> Matching:
        """The nodes that a policy selects and that run a handler."""
        with_enactment = {each.node for each in self.enactments(policy.name) if each.made_for(policy.uid)}
        now = self._clock.monotonic()
        nodes: dict[str, NodeFacts] = {}
        recheck: float | None = None
        for name, node in self._nodes.items():
            if not matches(node.labels, policy.node_selector):
                continue
            if name in self._pods:
                nodes[name] = node
            elif name in with_enactment:
                left = self._left.get(name, self._started) + HANDLER_GRACE - now
                if left > 0:
                    nodes[name] = node
                    recheck = left if recheck is None else min(recheck, left)
        return Matching(nodes, recheck)

    def ending(self, policy: str, going: Iterable[EnactmentFacts]) -> Ending:
        """Which of the policy's enactments that are to go are to be waited for."""
        now = self._clock.monotonic()
        amid = {each.uid for each in going if each.changing and each.node in self._nodes}
        before = self._waited_for.pop(policy, {})
        if not amid:
            return Ending()
        since = self._waited_for[policy] = {uid: before.get(uid, now) for uid in amid}
        left = {uid: since[uid] + ENDS_WITHIN - now for uid in amid}
        uids = {uid for uid, seconds in left.items() if seconds > 0}
        return Ending(uids, min((left[uid] for uid in uids), default=None))

    def shared(self, policy: str) -> Shared:
        """What the policy must leave to others."""
        busy = {node for node, policies in self._at_work.items() if policies - {policy}}
        for other, nodes in self._admitting.items():
            if other != policy:
                busy |= nodes
        return Shared(busy, self._control_plane, self._limit(), self._own_node)

    def _limit(self) -> int | None:
        """The budget of all policies, of the oldest NMState: the others are on their way out."""
        oldest = min(self._shared.values(), key=_age, default=None)
        said = shared_limit(oldest) if oldest else None
        if said is None:
            return None
        return scaled(said, sum(name in self._pods for name in self._nodes))

    def _dated(self, facts: EnactmentFacts, *, seen: bool) -> EnactmentFacts:
        """Since when it is in its phase: by our own clock where we have seen it come to it, and never in the future."""
        known = self._enactments.get(facts.policy, {}).get(facts.name)
        if known and (known.uid, known.phase, known.reported) == (facts.uid, facts.phase, facts.reported):
            return replace(facts, since=known.since)
        now = self._clock.now()
        return replace(facts, since=now if seen or facts.since is None else min(facts.since, now))

    def _put(self, facts: EnactmentFacts) -> None:
        self._enactments.setdefault(facts.policy, {})[facts.name] = facts
        if facts.working:
            self._at_work.setdefault(facts.node, set()).add(facts.policy)
        else:
            self._ended(facts)

    def _remove(self, facts: EnactmentFacts) -> None:
        self._ended(facts)
        of_policy = self._enactments.get(facts.policy, {})
        of_policy.pop(facts.name, None)
        if not of_policy:
            self._enactments.pop(facts.policy, None)
            self._waited_for.pop(facts.policy, None)

    def _ended(self, facts: EnactmentFacts) -> None:
        policies = self._at_work.get(facts.node, set())
        policies.discard(facts.policy)
        if not policies:
            self._at_work.pop(facts.node, None)


def _age(obj: Object) -> tuple[float, str]:
    made = obj.metadata.creation_timestamp
    return (made.timestamp() if made else 0.0, obj.name)


def _older(one: EnactmentFacts, other: EnactmentFacts) -> bool:
    """Whether one is an earlier version than the other; versions of a kind count upwards."""
    return int(one.resource_version or 0) < int(other.resource_version or 0)
