"""From keys to calls of a reconciler.

* A key is reconciled by one worker at a time; `workers` keys at once. What happens to a key meanwhile is
  reconciled afterwards: no change is lost.
* A reconcile ends in one of three ways: it returns (`Result(requeue_after=…)` to be called again, None if
  not), it raises (called again after a growing delay), or it raises TerminalError (not called again until
  something changes). A bug in it is the second way: logged with its traceback, and contained.
* Everything logged in a reconcile carries controller, key and a reconcile id.
* Work begins when all watched informers are in step, with everything that is in them.
* When `run` is cancelled, no new key is begun and running reconciles may finish within `grace_seconds`; a
  second cancellation, or the end of the grace, cancels them. `run` may be called again later: it then starts
  from the informers' whole content, so that a leader's controllers need no queue while it does not lead.
"""

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.errors import CoreError, TerminalError
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.mappers import Mapper, itself
from nmstate_k8s.core.metrics import METRICS, Metrics
from nmstate_k8s.core.objects import Key
from nmstate_k8s.core.predicates import Predicate
from nmstate_k8s.core.queuemetrics import QueueMetrics
from nmstate_k8s.core.ratelimit import RateLimiter, default_limiter
from nmstate_k8s.core.sources import Source
from nmstate_k8s.core.workqueue import Priority, QueueShutDown, WorkQueue

__all__ = ["Controller", "Reconciler", "Result"]

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """A reconcile that went well, and when it wants to be called again."""

    requeue_after: float | None = None


class Reconciler(Protocol):
    """Makes the world as one key's object says."""

    async def reconcile(self, key: Key) -> Result | None:
        """Look at the world and converge it; the object may be gone."""


@dataclass(frozen=True, slots=True)
class _Watch:
    informer: Informer
    mapper: Mapper
    predicate: Predicate | None


class Controller:
    """Watches on one side, a reconciler on the other, a work queue between."""

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        workers: int = 1,
        timeout: float | None = None,
        limiter: RateLimiter | None = None,
        grace_seconds: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
        metrics: Metrics = METRICS,
    ) -> None:
        self.name = name
        self._reconciler = reconciler
        self._workers = workers
        self._timeout = timeout
        self._limiter = limiter or default_limiter(clock)
        self._grace = grace_seconds
        self._clock = clock
        self._metrics = metrics
        self._watches: list[_Watch] = []
        self._sources: list[Source] = []
        self._queue: WorkQueue[Key] | None = None
        self._early: dict[Key, Priority] = {}
        self._observer = QueueMetrics(metrics, name, clock=clock)
        self._log = log.bind(controller=name)
        metrics.max_workers.labels(name).set(workers)
        metrics.active_workers.labels(name).set(0)

    def watch(self, informer: Informer, mapper: Mapper = itself, predicate: Predicate | None = None) -> None:
        """Reconcile what `mapper` makes of each object that changes: of what it was and of what it is."""
        watch = _Watch(informer, mapper, predicate)
        self._watches.append(watch)
        informer.add_handler(lambda event: self._on_event(watch, event))

    def add_source(self, source: Source) -> None:
        """Reconcile what `source` brings up."""
        self._sources.append(source)

    def enqueue(self, key: Key, *, after: float = 0.0, priority: Priority = Priority.HIGH) -> None:
        """Reconcile `key`, now or in `after` seconds. Before `run` it is kept until then."""
        if self._queue is not None:
            self._queue.add_after(key, after, priority)
        else:
            self._early[key] = priority

    async def run(self) -> None:
        """Reconcile until cancelled."""
        queue = self._queue = WorkQueue[Key](limiter=self._limiter, metrics=self._observer)
        work = asyncio.create_task(self._work(queue), name=f"controller {self.name}")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._queue = None
            queue.shut_down()
            await self._finish(work, queue)
            raise
        finally:
            self._queue = None
            work.cancel()

    async def _finish(self, work: "asyncio.Task[None]", queue: WorkQueue[Key]) -> None:
        """Let running reconciles end; cancel them when the grace is over or somebody insists."""
        try:
            if queue.processing:
                self._log.info("stopping, waiting for what runs", keys=_names(queue), seconds=self._grace)
                async with asyncio.timeout(self._grace):
                    await asyncio.wait({work})
        except TimeoutError:
            self._log.warning("the grace is over, cancelling what runs", keys=_names(queue))
        finally:
            work.cancel()
            await asyncio.wait({work})
        if not work.cancelled() and work.exception() is not None:
            self._log.error("the controller failed while it stopped", exc_info=work.exception())

    async def _work(self, queue: WorkQueue[Key]) -> None:
        for watch in self._watches:
            await watch.informer.wait_for_sync()
        early, self._early = self._early, {}
        for key, priority in early.items():
            queue.add(key, priority)
        for watch in self._watches:
            for obj in watch.informer.store.list():
                self._on_event(watch, Event(None, obj, initial=True))
        async with asyncio.TaskGroup() as group:
            sources = [group.create_task(source.run(self.enqueue)) for source in self._sources]
            workers = [group.create_task(self._worker(queue)) for _ in range(self._workers)]
            self._log.info("controller runs", workers=self._workers)
            await asyncio.wait(workers)
            for source in sources:
                source.cancel()

    async def _worker(self, queue: WorkQueue[Key]) -> None:
        while True:
            try:
                key = await queue.get()
            except QueueShutDown:
                return
            try:
                await self._reconcile(queue, key)
            finally:
                queue.done(key)

    async def _reconcile(self, queue: WorkQueue[Key], key: Key) -> None:
        active = self._metrics.active_workers.labels(self.name)
        started = self._clock.monotonic()
        active.inc()
        try:
            with structlog.contextvars.bound_contextvars(
                controller=self.name, key=str(key), reconcile_id=uuid.uuid4().hex[:12]
            ):
                outcome = await self._call(queue, key)
        finally:
            active.dec()
            elapsed = self._clock.monotonic() - started
            self._metrics.reconcile_seconds.labels(self.name).observe(elapsed)
        self._metrics.reconcile_total.labels(self.name, outcome).inc()

    async def _call(self, queue: WorkQueue[Key], key: Key) -> str:
        """One call of the reconciler, and what follows from it; the outcome's name for the metrics."""
        deadline = asyncio.timeout(self._timeout)
        try:
            async with deadline:
                result = await self._reconciler.reconcile(key)
        except TerminalError as error:
            queue.forget(key)
            self._metrics.terminal_errors.labels(self.name).inc()
            self._metrics.reconcile_errors.labels(self.name).inc()
            log.error("reconcile failed for good", error=str(error), cause=repr(error.__cause__))
            return "error"
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # we are cancelled; otherwise something within the reconcile was, which is its failure
            self._metrics.reconcile_errors.labels(self.name).inc()
            if deadline.expired():
                self._metrics.reconcile_timeouts.labels(self.name).inc()
            retry_in = round(queue.add_rate_limited(key), 2)
            failures = queue.failures(key)
            if deadline.expired():
                log.error("reconcile took too long", seconds=self._timeout, retry_in=retry_in)
            elif isinstance(error, CoreError):
                log.warning("reconcile failed", error=str(error), retry_in=retry_in, failures=failures)
            else:
                log.exception("reconcile failed", retry_in=retry_in, failures=failures)
            return "error"
        queue.forget(key)
        if result is not None and result.requeue_after is not None:
            queue.add_after(key, result.requeue_after)
            return "requeue_after"
        return "success"

    def _on_event(self, watch: _Watch, event: Event) -> None:
        queue = self._queue
        if queue is None or (watch.predicate is not None and not watch.predicate(event)):
            return  # not running: `run` starts from everything that is there then
        priority = Priority.LOW if event.initial else Priority.HIGH
        for key in _keys(watch.mapper, event):
            queue.add(key, priority)


def _names(queue: WorkQueue[Key]) -> list[str]:
    return sorted(map(str, queue.processing))


def _keys(mapper: Mapper, event: Event) -> Iterable[Key]:
    """Of what was and of what is: both may concern somebody."""
    keys: dict[Key, None] = {}
    for obj in (event.old, event.new):
        if obj is not None:
            keys.update(dict.fromkeys(mapper(obj)))
    return keys
