"""The node's enactments: brings about what this node is admitted to, one after the other, and tells how it went.

Watches the enactments of this node, nothing else. The order of a reconcile: tell what could not be told before;
decide on the server's own word whether there is anything to do; say Progressing; run the transaction; conclude.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_phase
from nmstate_k8s.api.enactment import Enactment, EnactmentSpec, EnactmentStatus
from nmstate_k8s.api.meta import POLICY_LABEL
from nmstate_k8s.controllers.enactmentwriter import EnactmentWriter
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.controller import Result
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import Store
from nmstate_k8s.domain.desired.secrets import Redactor
from nmstate_k8s.domain.host.assignment import Assignment, assignment
from nmstate_k8s.domain.host.interruption import outcome_of
from nmstate_k8s.domain.host.journal import Interrupted
from nmstate_k8s.domain.host.outcome import Outcome
from nmstate_k8s.domain.host.probes.plan import DEFAULT_PLAN, ProbePlan, plan_for
from nmstate_k8s.domain.host.report import captured_before, concluded, progressing
from nmstate_k8s.domain.host.requests import Task
from nmstate_k8s.domain.host.retries import Retries

__all__ = ["EnactmentReconciler", "Node"]

_log = structlog.get_logger(__name__)


class Transactions(Protocol):
    """What carries the work out (`domain.host.transaction.Transactions`)."""

    async def run(self, task: Task) -> Outcome:
        """Bring a task about, or leave the node as it was."""

    async def holds(self, task: Task) -> bool:
        """Whether the node is as the task wants it."""

    def interrupted(self, transaction_id: str) -> Interrupted | None:
        """What became of a transaction that ended without its handler, until it is told."""

    async def told(self, transaction_id: str) -> None:
        """The enactment says what became of it."""


@dataclass(frozen=True, slots=True)
class Node:
    """This node, in this boot."""

    name: str
    boot_id: str


@dataclass(slots=True)
class _Memory:
    """What this process knows of one enactment beyond its status."""

    uid: str
    verified: int | None = None
    """The generation that was seen to be true."""
    next_try: tuple[int, float] | None = None
    """A generation, and when it may be tried again."""
    untold: tuple[EnactmentStatus, float | None] | None = None
    """A result that the API server has not taken yet."""


@dataclass(slots=True)
class EnactmentReconciler:
    """One enactment of this node."""

    node: Node
    store: Store
    writer: EnactmentWriter
    transactions: Transactions
    clock: Clock
    retries: Retries
    probes: ProbePlan = DEFAULT_PLAN
    """What is probed where a policy says nothing about it."""
    redactor: Redactor = field(default_factory=Redactor)
    """Learns the secrets of each policy before anything is said about it."""
    _known: dict[Key, _Memory] = field(default_factory=dict)

    async def reconcile(self, key: Key) -> Result | None:
        cached = self.store.get(key)
        if cached is None:
            self._known.pop(key, None)
            return None
        memory = self._remembered(cached)
        if memory.untold is not None:
            await self._tell(cached, memory)
        if self._assigned(cached, memory) is Assignment.NOTHING:
            return None
        try:
            fresh = await self.writer.read(key.name)
        except NotFound:
            return None
        memory = self._remembered(fresh)
        todo = self._assigned(fresh, memory)
        if todo is Assignment.NOTHING:
            return None
        if (wait := self._wait(fresh, memory)) > 0:
            return Result(requeue_after=wait)
        return await self._work(fresh, memory, todo)

    async def _work(self, fresh: Object, memory: _Memory, todo: Assignment) -> Result | None:
        enactment = fresh.view(Enactment)
        spec, status = _spec(enactment), enactment.status
        self.redactor.learn(spec.desired_state)
        if (interrupted := self._interrupted(spec, status)) is not None:
            return await self._conclude(fresh, memory, status, outcome_of(interrupted))
        task = _task(fresh, spec, status, self.probes)
        if todo is Assignment.VERIFY and await self.transactions.holds(task):
            memory.verified = spec.policy_generation
            return None
        begun = progressing(
            spec, status, boot_id=self.node.boot_id, transaction_id=task.transaction_id, now=self.clock.now()
        )
        await self.writer.write(fresh, begun)
        log = _log.bind(transaction=task.transaction_id, policy=task.policy, generation=task.generation)
        log.info("transaction begins")
        outcome = await self.transactions.run(task)
        return await self._conclude(fresh, memory, begun, outcome)

    async def _conclude(
        self, fresh: Object, memory: _Memory, begun: EnactmentStatus, outcome: Outcome
    ) -> Result | None:
        generation = _spec(fresh.view(Enactment)).policy_generation
        told, phase, delay = concluded(
            begun,
            outcome,
            node=self.node.name,
            retries=self.retries,
            now=self.clock.now(),
            redact=self.redactor.text,
        )
        _log.info(
            "transaction ended",
            transaction=outcome.transaction_id,
            policy=fresh.labels.get(POLICY_LABEL, ""),
            phase=phase.value,
            again_in=delay,
            details=told.failure and told.failure.details,
        )
        memory.verified = generation if phase is EnactmentPhase.AVAILABLE else None
        memory.next_try = None if delay is None else (generation, self.clock.monotonic() + delay)
        memory.untold = (told, delay)
        return await self._tell(fresh, memory)

    def _interrupted(self, spec: EnactmentSpec, status: EnactmentStatus) -> Interrupted | None:
        """The attempt that the status speaks of, where it ended without its handler and the status does not say so."""
        under_way = enactment_phase(status.conditions) is EnactmentPhase.PROGRESSING
        if not under_way or status.policy_generation != spec.policy_generation:
            return None
        return self.transactions.interrupted(status.transaction_id)

    async def _tell(self, target: Object, memory: _Memory) -> Result | None:
        """Write a result that is known. If that fails it is kept, and told before anything else is done."""
        assert memory.untold is not None
        status, delay = memory.untold
        try:
            await self.writer.write(target, status)
        except NotFound:
            _log.info("the enactment is gone, its result is not told", enactment=target.name)
        memory.untold = None
        await self.transactions.told(status.transaction_id)
        return None if delay is None else Result(requeue_after=delay)

    def _assigned(self, enactment: Object, memory: _Memory) -> Assignment:
        view = enactment.view(Enactment)
        verified = view.spec is not None and memory.verified == view.spec.policy_generation
        return assignment(view, boot_id=self.node.boot_id, verified=verified)

    def _wait(self, enactment: Object, memory: _Memory) -> float:
        """Seconds that a retry still has to wait; another generation need not."""
        if memory.next_try is None:
            return 0.0
        generation, when = memory.next_try
        if _spec(enactment.view(Enactment)).policy_generation != generation:
            return 0.0
        return max(when - self.clock.monotonic(), 0.0)

    def _remembered(self, enactment: Object) -> _Memory:
        memory = self._known.get(enactment.key)
        if memory is None or memory.uid != enactment.uid:
            memory = self._known[enactment.key] = _Memory(enactment.uid)
        return memory


def _spec(enactment: Enactment) -> EnactmentSpec:
    assert enactment.spec is not None
    return enactment.spec


def _task(enactment: Object, spec: EnactmentSpec, status: EnactmentStatus, defaults: ProbePlan) -> Task:
    return Task(
        transaction_id=uuid.uuid4().hex[:12],
        policy=enactment.labels.get(POLICY_LABEL, ""),
        generation=spec.policy_generation,
        desired=spec.desired_state,
        capture=spec.capture,
        captured=captured_before(spec, status),
        probes=plan_for(spec.probes, defaults),
    )
