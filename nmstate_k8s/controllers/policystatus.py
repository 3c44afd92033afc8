"""Sums a policy up on its status, from its enactments. Leader only; the one writer of NNCP.status.

Nothing is counted and kept: the status is computed anew from what enactments report, and written where it differs
from what is there, at the pace of `nmstate_k8s.controllers.pace`.
"""

from __future__ import annotations

__all__ = ["PolicyStatusReconciler"]

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec
import structlog

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase, policy_conditions, policy_phase
from nmstate_k8s.api.events import POLICY_STANDSTILLS, POLICY_TURNS, RECONCILE_FAILED
from nmstate_k8s.api.meta import CONTROLLER_MANAGER
from nmstate_k8s.api.policy import PolicyStatus
from nmstate_k8s.api.rollout import RolloutStatus
from nmstate_k8s.controllers.pace import Pace
from nmstate_k8s.controllers.standing import own_enactments, standing_of
from nmstate_k8s.controllers.world import World
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.controller import Result
from nmstate_k8s.core.errors import Conflict, NotFound
from nmstate_k8s.core.events import EventRecorder
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import Store
from nmstate_k8s.domain.enactment.gate import Gate
from nmstate_k8s.domain.kinds import POLICIES
from nmstate_k8s.domain.policy.facts import EnactmentFacts, PolicyFacts, policy_facts
from nmstate_k8s.domain.policy.summary import Counts, Summary, overdue, summarise

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class _View(msgspec.Struct):
    status: PolicyStatus = PolicyStatus()


FEW_NODES = 100
LOOK_SECONDS_A_NODE = 0.0001
"""Between two looks at a policy, for each node beyond a few: all are looked at, and in a large cluster one changes
every few milliseconds. For a thousand nodes, a tenth of a second."""


@dataclass(frozen=True)
class _Memory:
    """What we remember of a policy from one reconcile to the next; without it, nothing but a write more."""

    uid: str
    version: int
    status: PolicyStatus
    """The newest that we know of, written or found, and the version of the policy that it is of."""
    told: frozenset[tuple[str, int]]
    """The enactments, by uid and generation, whose final failure was told by an event."""
    pace: Pace
    mark: int
    """Stands for all that moves a rollout."""
    moved: float
    """When that last changed, by the monotonic clock. A new leader begins anew: rather late than wrong."""


class PolicyStatusReconciler:
    """Keeps the status of each policy true."""

    def __init__(self, client: Client, policies: Store, world: World, events: EventRecorder) -> None:
        self._client = client
        self._policies = policies
        self._world = world
        self._events = events
        self._memories: dict[str, _Memory] = {}
        self._next_look: dict[str, float] = {}
        """When a policy's enactments may be summed up again."""

    async def reconcile(self, key: Key) -> Result | None:
        """One policy: sum up, tell of new failures, write what changed."""
        obj = self._policies.get(key)
        if obj is None:
            self._memories.pop(key.name, None)
            self._next_look.pop(key.name, None)
            return None
        policy = policy_facts(obj)
        if (rest := self._rests(policy)) > 0:
            return Result(requeue_after=rest)
        matching = self._world.matching(policy)
        nodes = matching.nodes
        enactments = own_enactments(policy, nodes, self._world)
        standing = standing_of(policy, enactments, nodes=len(nodes), now=self._client.clock.now())
        summary = summarise(policy.generation, nodes, enactments, standing)
        memory = self._memory(obj, policy, enactments)
        memory = self._moved(policy, summary, enactments, memory)
        memory = self._memories[policy.name] = self._tell(obj, policy, enactments, memory)
        left = self._left(policy, summary, memory)
        if left is not None and left <= 0:
            summary = overdue(summary, policy.generation, nodes, enactments, policy.progress_deadline)
            left = None
        rest = max(0, len(nodes) - FEW_NODES) * LOOK_SECONDS_A_NODE
        self._next_look[policy.name] = self._client.clock.monotonic() + rest
        wait = await self._write(obj, policy, summary, standing, memory)
        return Result(requeue_after=_soonest(wait, matching.recheck_after, standing.opens_in, left))

    def _rests(self, policy: PolicyFacts) -> float:
        """For how many seconds not to look, since we just did; a new generation is looked at at once."""
        memory = self._memories.get(policy.name)
        known = memory is not None and memory.uid == policy.uid
        if memory is None or not known or memory.status.observed_generation != policy.generation:
            return 0.0
        return self._next_look.get(policy.name, 0.0) - self._client.clock.monotonic()

    def _moved(
        self, policy: PolicyFacts, summary: Summary, enactments: Mapping[str, EnactmentFacts], memory: _Memory
    ) -> _Memory:
        """What moves a rollout: an edit, whatever an enactment says or is told; time, where it is to stand still."""
        mark = hash((policy.generation, summary.reason, *sorted(map(_progress, enactments.values()))))
        if mark == memory.mark and not summary.reason:
            return memory
        return replace(memory, mark=mark, moved=self._client.clock.monotonic())

    def _left(self, policy: PolicyFacts, summary: Summary, memory: _Memory) -> float | None:
        """Seconds until the progress deadline; None: there is none now."""
        if not policy.progress_deadline or summary.phase is not PolicyPhase.PROGRESSING or summary.reason:
            return None
        return memory.moved + policy.progress_deadline - self._client.clock.monotonic()

    def _memory(self, obj: Object, policy: PolicyFacts, enactments: Mapping[str, EnactmentFacts]) -> _Memory:
        """What is remembered, or what the policy's own status says where nothing is (we have just come to lead)."""
        memory = self._memories.get(policy.name)
        version = _version(obj)
        if memory is not None and memory.uid == policy.uid:
            if version <= memory.version:
                return memory
            return replace(memory, version=version, status=obj.view(_View).status)
        status = obj.view(_View).status
        degraded = policy_phase(status.conditions) is PolicyPhase.DEGRADED
        known = degraded and status.observed_generation == policy.generation
        told = _failures(policy, enactments) if known else {}
        return _Memory(policy.uid, version, status, frozenset(told), Pace(), 0, self._client.clock.monotonic())

    def _tell(
        self, obj: Object, policy: PolicyFacts, enactments: Mapping[str, EnactmentFacts], memory: _Memory
    ) -> _Memory:
        """An event for each node that has failed for good since we last looked."""
        failures = _failures(policy, enactments)
        for identity, each in failures.items():
            if identity not in memory.told:
                note = f"node {each.node} failed to configure generation {policy.generation}: {each.message}"
                self._events.event(obj, *RECONCILE_FAILED.told(note))
        return replace(memory, told=frozenset(failures))

    def _turned(self, obj: Object, summary: Summary) -> None:
        """An event for what the policy has come to."""
        kind = POLICY_STANDSTILLS.get(summary.reason) or POLICY_TURNS.get(summary.phase)
        if kind is not None:
            self._events.event(obj, *kind.told(summary.message))

    async def _write(
        self, obj: Object, policy: PolicyFacts, summary: Summary, standing: Gate, memory: _Memory
    ) -> float | None:
        """Write the status if it changed and its turn has come; else the seconds until then."""
        before = memory.status
        wanted = _status(policy.generation, summary, standing, before, self._client.clock.now())
        if wanted == before:
            return None
        now = self._client.clock.monotonic()
        edited = before.observed_generation != policy.generation
        turned = edited or _turn(before) != _turn(wanted)
        wait = memory.pace.wait(now, urgent=turned)
        if wait and not edited:
            return wait
        body = {"metadata": {"name": policy.name, "uid": policy.uid}, "status": wanted}
        try:
            answer = await self._client.apply(POLICIES, body, field_manager=CONTROLLER_MANAGER, subresource="status")
        except (Conflict, NotFound) as error:
            log.debug("policy is another one or gone", error=str(error))
            return None
        self._memories[policy.name] = replace(
            memory, version=_version(answer), status=wanted, pace=memory.pace.written(now)
        )
        if turned:
            self._turned(obj, summary)
            log.info(
                "policy has a new phase",
                generation=policy.generation,
                phase=summary.phase.value,
                message=summary.message,
            )
        return None


def _failures(policy: PolicyFacts, enactments: Mapping[str, EnactmentFacts]) -> dict[tuple[str, int], EnactmentFacts]:
    """The enactments that failed for good in the policy's generation."""
    return {
        (each.uid, policy.generation): each
        for each in enactments.values()
        if each.phase_of(policy.generation) is EnactmentPhase.FAILED
    }


def _version(obj: Object) -> int:
    return int(obj.metadata.resource_version or 0)


def _progress(each: EnactmentFacts) -> tuple[str, int, int, str, str]:
    return each.node, each.admitted or 0, each.reported or 0, each.phase.value if each.phase else "", each.message


def _turn(status: PolicyStatus) -> tuple[str, str]:
    """The first condition that is True, and its reason."""
    return next(((each.type, each.reason) for each in status.conditions if each.status == "True"), ("", ""))


def _soonest(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


def _counts(counts: Counts, standing: Gate) -> RolloutStatus:
    return RolloutStatus(
        matching=counts.matching,
        ready=counts.ready,
        available=counts.available,
        progressing=counts.working,
        pending=counts.waiting,
        failing=counts.failed,
        aborted=counts.aborted or None,
        step=standing.step or None,
    )


def _status(generation: int, summary: Summary, standing: Gate, before: PolicyStatus, now: datetime) -> PolicyStatus:
    """The whole status; equal to the one before where nothing is new."""
    unavailable = summary.counts.unavailable
    counts = {str(generation): unavailable}
    counted = before.last_unavailable_node_count_update
    if counted is None or before.unavailable_node_count_map != counts:
        counted = now.replace(microsecond=0)
    return PolicyStatus(
        observed_generation=generation,
        conditions=policy_conditions(
            summary.phase,
            summary.message,
            generation=generation,
            now=now,
            previous=before.conditions,
            reason=summary.reason,
        ),
        rollout=_counts(summary.counts, standing),
        unavailable_node_count=unavailable,
        unavailable_node_count_map=counts,
        last_unavailable_node_count_update=counted,
    )
