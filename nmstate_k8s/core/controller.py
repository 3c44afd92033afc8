"""From keys to calls of a reconciler.

* A key is reconciled by one worker at a time; `workers` keys at once. What happens to a key meanwhile is
  reconciled afterwards: no change is lost.
* A reconcile ends in one of three ways: it returns (`Result(requeue_after=…)` to be called again, None if
  not), it raises (called again after a growing delay), or it raises TerminalError (not called again until
  something changes). A bug in it is the second way: logged with its traceback, and contained. So is a bug in
  a predicate (the change counts) and in a mapper (its keys are lost, as the log says; other changes are not).
* No key is reconciled on a cache that is older than what its own reconciles wrote (`ownwrites`): it waits.
* Everything logged in a reconcile carries controller, key and a reconcile id.
* Work begins when all watched informers are in step, with everything that is in them.
* When `run` is cancelled, no new key is begun and running reconciles may finish within `grace_seconds`; a
  second cancellation, or the end of the grace, cancels them. `run` may be called again later: it then starts
  from the informers' whole content, and from what a source or `enqueue` had brought up and was not done, so
  that a leader's controllers need no queue while it does not lead.
"""

import asyncio
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.controllermetrics import ControllerMetrics
from nmstate_k8s.core.errors import CoreError, TerminalError
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.mappers import Mapper, itself
from nmstate_k8s.core.metrics import METRICS, Metrics
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.ownwrites import PATIENCE, OwnWrites
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
        patience: float = PATIENCE,
        metrics: Metrics = METRICS,
    ) -> None:
        """
        :param timeout: seconds for one reconcile; it is then cancelled, which counts as a failure.
        :param grace_seconds: for what still runs when the controller is stopped.
        :param patience: seconds that a key waits for the watch to bring what it wrote, before a new list is made.
        :raises ValueError: if nobody would work.
        """
        if workers < 1:
            raise ValueError(f"a controller needs a worker, not {workers}")
        self.name = name
        self._reconciler = reconciler
        self._workers = workers
        self._timeout = timeout
        self._limiter = limiter or default_limiter(clock)
        self._grace = grace_seconds
        self._clock = clock
        self._watches: list[_Watch] = []
        self._read: list[Informer] = []
        self._sources: list[Source] = []
        self._queue: WorkQueue[Key] | None = None
        self._early: dict[Key, Priority] = {}
        self._own = OwnWrites(self._released, patience=patience, clock=clock)
        self._held: dict[Key, Priority] = {}
        self._observer = QueueMetrics(metrics, name, clock=clock)
        self._figures = ControllerMetrics(metrics, name, workers)
        self._log = log.bind(controller=name)

    def watch(self, informer: Informer, mapper: Mapper = itself, predicate: Predicate | None = None) -> None:
        """Reconcile what `mapper` makes of each object that changes: of what it was and of what it is."""
        watch = _Watch(informer, mapper, predicate)
        self._watches.append(watch)
        informer.add_handler(lambda event: self._on_event(watch, event))
        self._own.follow(informer)

    def reads(self, informer: Informer) -> None:
        """Reconciles also decide on what that informer holds, though its changes are no reason for one."""
        self._own.follow(informer)
        self._read.append(informer)

    def add_source(self, source: Source) -> None:
        """Reconcile what `source` brings up."""
        self._sources.append(source)

    def enqueue(self, key: Key, *, after: float = 0.0, priority: Priority = Priority.HIGH) -> None:
        """Reconcile `key`, now or in `after` seconds. While `run` does not run it is kept, for when it does."""
        if self._queue is not None:
            self._queue.add_after(key, after, priority)
        else:
            self._keep({key: priority})

    async def run(self) -> None:
        """Reconcile until cancelled."""
        queue = self._queue = WorkQueue[Key](limiter=self._limiter, metrics=self._observer)
        work = asyncio.create_task(self._work(queue), name=f"controller {self.name}")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._queue = None
            self._keep(queue.shut_down())
            await self._finish(work, queue)
            raise
        finally:
            self._queue = None
            self._own.stop()
            self._keep(self._held)
            self._held.clear()
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
            self._keep({key: queue.priority(key) for key in queue.processing})
            work.cancel()
            await asyncio.wait({work})
        if not work.cancelled() and work.exception() is not None:
            self._log.error("the controller failed while it stopped", exc_info=work.exception())

    def _keep(self, keys: Mapping[Key, Priority]) -> None:
        """For when it runs again."""
        for key, priority in keys.items():
            self._early[key] = max(priority, self._early.get(key, priority))

    async def _work(self, queue: WorkQueue[Key]) -> None:
        for informer in (*(watch.informer for watch in self._watches), *self._read):
            await informer.wait_for_sync()
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
                if self._own.hold(key):
                    self._held[key] = queue.priority(key)
                else:
                    await self._reconcile(queue, key)
            finally:
                queue.done(key)

    def _released(self, key: Key) -> None:
        """What the key wrote is in the caches."""
        if self._queue is not None and key in self._held:
            self._queue.add(key, self._held.pop(key))

    async def _reconcile(self, queue: WorkQueue[Key], key: Key) -> None:
        with (
            self._figures.reconciling(self._clock) as said,
            structlog.contextvars.bound_contextvars(
                controller=self.name, key=str(key), reconcile_id=f"{random.getrandbits(48):012x}"
            ),
            self._own.noting(key),
        ):
            said.outcome = await self._call(queue, key)

    async def _call(self, queue: WorkQueue[Key], key: Key) -> str:
        """One call of the reconciler, and what follows from it; the outcome's name for the metrics."""
        deadline = asyncio.timeout(self._timeout)
        try:
            async with deadline:
                result = await self._reconciler.reconcile(key)
        except TerminalError as error:
            queue.forget(key)
            self._figures.failed(terminal=True)
            log.error("reconcile failed for good", error=str(error), cause=repr(error.__cause__))
            return "error"
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # we are cancelled; otherwise something within the reconcile was, which is its failure
            bug = not deadline.expired() and not isinstance(error, CoreError)
            self._figures.failed(timeout=deadline.expired(), bug=bug)
            retry_in = round(queue.add_rate_limited(key), 2)
            self._not_lost(queue, key)
            failures = queue.failures(key)
            if deadline.expired():
                log.error("reconcile took too long", seconds=self._timeout, retry_in=retry_in)
            elif bug:
                log.exception("reconcile failed", retry_in=retry_in, failures=failures)
            else:
                log.warning("reconcile failed", error=str(error), retry_in=retry_in, failures=failures)
            return "error"
        queue.forget(key)
        if result is not None and result.requeue_after is not None:
            queue.add_after(key, result.requeue_after)
            self._not_lost(queue, key)
            return "requeue_after"
        return "success"

    def _not_lost(self, queue: WorkQueue[Key], key: Key) -> None:
        """Who is to be called again, but by a queue that takes nothing any more, is called when it runs again."""
        if self._queue is not queue:
            self._keep({key: queue.priority(key)})

    def _on_event(self, watch: _Watch, event: Event) -> None:
        queue = self._queue
        if queue is None or not self._matters(watch, event):
            return  # not running: `run` starts from everything that is there then
        priority = Priority.LOW if event.initial else Priority.HIGH
        for obj in (event.old, event.new):  # of what was and of what is: both may concern somebody
            for key in self._keys(watch.mapper, obj) if obj is not None else ():
                queue.add(key, priority)

    def _matters(self, watch: _Watch, event: Event) -> bool:
        try:
            return watch.predicate is None or watch.predicate(event)
        except Exception:  # somebody's function; rather a reconcile too many than a change unseen
            log.exception("predicate failed, the change counts", controller=self.name, object=str(event.key))
            return True

    def _keys(self, mapper: Mapper, obj: Object) -> Iterable[Key]:
        try:
            return tuple(mapper(obj))
        except Exception:  # somebody's function; its bug must not cost the other objects' keys
            log.exception("mapper failed, nobody is told of the object", controller=self.name, object=str(obj.key))
            return ()


def _names(queue: WorkQueue[Key]) -> list[str]:
    return sorted(map(str, queue.processing))
