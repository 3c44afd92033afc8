"""The driver of the table of steps: asks, carries out, goes on, and measures.

- One transaction at a time. It ends in commit or rollback whatever happens to who waits for it: cancelling
  `run` does not cancel it, `wait_idle` waits for it (SIGTERM).
- Where a journal is open, what it is about is ended first, before a handler's first task and before each one.
- Every line that is logged meanwhile, libnmstate's too, carries the transaction's id and policy.
- Every failure of a step, also one that nobody thought of, is an answer that the table deals with.
- Before each step lies a failpoint, ``before-<step>``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from nmstate_k8s.core.clock import Clock
from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.executor import Executor
from nmstate_k8s.domain.host.failpoints import Failpoints
from nmstate_k8s.domain.host.journal import Interrupted
from nmstate_k8s.domain.host.outcome import Outcome
from nmstate_k8s.domain.host.requests import Prepare, ReadState, Task
from nmstate_k8s.domain.host.steps import END, STEPS, State

__all__ = ["Transactions"]

_log = structlog.get_logger(__name__)


class Transactions:
    """Changes the node's network, one task at a time."""

    def __init__(
        self,
        executor: Executor,
        *,
        clock: Clock,
        failpoints: Failpoints | None = None,
        busy: Callable[[bool], None] = lambda _: None,
        ended: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._executor = executor
        self._clock = clock
        self._failpoints = failpoints or Failpoints()
        self._busy = busy
        self._ended = ended
        self._turn = asyncio.Lock()
        self._interrupted: dict[str, Interrupted] = {}

    async def run(self, task: Task) -> Outcome:
        """Bring a task about, or leave the node as it was. Never raises what a step raised.

        Cancelling stops the wait, not the transaction.
        """
        return await asyncio.shield(asyncio.ensure_future(self._alone(State(task), "read")))

    async def holds(self, task: Task) -> bool:
        """Whether the node is as the task wants it. Changes nothing; what cannot be found out does not hold."""
        async with self._turn:
            try:
                before = await self._executor.carry_out(ReadState())
                prepared, *_ = await self._executor.carry_out(Prepare(task, before))
            except HostError as error:
                _log.info("cannot tell whether the node is as desired", policy=task.policy, error=str(error))
                return False
            return prepared.fault is None and not prepared.change

    async def recover(self) -> Outcome:
        """Take back what an earlier handler left behind. Without a fault in the outcome nothing is left."""
        return await asyncio.shield(asyncio.ensure_future(self._alone(State(None), "recover")))

    def interrupted(self, transaction_id: str) -> Interrupted | None:
        """What became of a transaction that ended without its handler, until it is told.

        One of which nothing can be read any more is whichever is asked for: there was one at most.
        """
        found = self._interrupted.get(transaction_id) or self._interrupted.get("")
        return found and found._replace(transaction=transaction_id)

    async def told(self, transaction_id: str) -> None:
        """The enactment says what became of it."""
        known = self._interrupted.pop(transaction_id, None) or self._interrupted.pop("", None)
        if known and not self._interrupted:
            await self._executor.told()

    async def wait_idle(self) -> None:
        """Return when no transaction is under way."""
        async with self._turn:
            return

    async def _alone(self, state: State, entry: str) -> Outcome:
        async with self._turn:
            self._busy(True)
            transaction_id = state.task.transaction_id if state.task else "recovery"
            bound = {"transaction": transaction_id, "policy": state.task.policy if state.task else ""}
            try:
                with structlog.contextvars.bound_contextvars(**bound):
                    outcome = await self._whole(state, entry, transaction_id)
            finally:
                self._busy(False)
            if state.task is not None or outcome.rollback_seconds is not None:
                self._ended(outcome)
            return outcome

    async def _whole(self, state: State, entry: str, transaction_id: str) -> Outcome:
        if state.task is not None and await self._executor.is_open():
            recovered = await self._drive(State(None), "recover", transaction_id)
            if recovered.fault is not None:
                return recovered
            await self._executor.told()  # by the outcome of that attempt
        outcome = await self._drive(state, entry, transaction_id)
        if state.task is None and (found := await self._executor.interrupted()):
            self._interrupted[found.transaction] = found
        return outcome

    async def _drive(self, state: State, step: str, transaction_id: str) -> Outcome:
        timing: dict[str, float] = {}
        while step != END:
            row, begun, name = STEPS[step], self._clock.monotonic(), step
            try:
                skipped = await self._failpoints.reach(f"before-{step}")
                answer = None if skipped else await self._executor.carry_out(row.ask(state))
                state, step = row.then(state, answer)
            except Exception as error:  # noqa: BLE001 - whatever it is, the way back must be gone
                _log.warning("step failed", step=name, error=str(error), exc_info=_unexpected(error))
                state, step = row.fails(state, error)
            took = self._clock.monotonic() - begun
            timing[name] = round(timing.get(name, 0.0) + took, 3)
            _log.info("step", step=name, next=step, seconds=round(took, 3))
        return _outcome(transaction_id, state, timing)


def _unexpected(error: Exception) -> bool:
    """Errors that a step is known to meet are told in a line; others with where they come from."""
    return isinstance(error, AssertionError | TypeError | AttributeError | LookupError)


def _outcome(transaction_id: str, state: State, timing: dict[str, float]) -> Outcome:
    ways = [timing[step] for step in ("back", "restart", "revert") if step in timing]
    return Outcome(
        transaction_id=transaction_id,
        prepared=state.prepared,
        fault=state.fault,
        touched=state.touched,
        kept=state.kept,
        rollback_seconds=sum(ways) + timing.get("find", 0.0) if ways else None,
        restarted=state.restarted,
        stuck=state.stuck,
        unlike=state.unlike,
        stranded=state.stranded,
        probes=state.probes,
        timing=timing,
    )
