"""Starts everything in order and stops it in the reverse order.

* Order: servers (health, metrics, webhooks: they must answer before the first object arrives), caches (and
  waits until they are in step), everything else, and, when this process leads, what only a leader may do.
* On SIGTERM, SIGINT or `stop`: the same backwards. Each stage has ended before the one under it is stopped,
  so that a reconcile that finishes can still read its caches and write. All of it within `grace_seconds`;
  what then still runs is cancelled a second time. A second signal ends the grace at once.
* Health and metrics at one address are one server.
* A runnable is anything with `async run()` that ends by cancellation. One that returns is done; one that
  raises brings everything down, and `run` raises that error: a broken process is restarted, not limping.
* Who comes to lead lists all kinds anew before it does anything: its caches may lag behind the last writes of the
  leader before, or by minutes if it was cut off.
* Losing leadership stops what only a leader may do and stands for election again; nothing else is touched.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from enum import IntEnum
from typing import Any, Final

import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.errors import LeadershipLost
from nmstate_k8s.core.events import BURST, REFILL_A_SECOND, EventRecorder
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.metrics import METRICS, Metrics
from nmstate_k8s.core.objects import Resource, Trim, drop_managed_fields
from nmstate_k8s.core.runnables import Group, Runnable
from nmstate_k8s.core.serving import Check, HealthChecks, HttpServer, health_routes, metrics_routes
from nmstate_k8s.core.store import Indexer

__all__ = ["Manager", "Stage"]

LAST_MOMENT: Final = 0.5
"""Seconds that a stage gets to end by itself even when the grace is over."""

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Stage(IntEnum):
    """When a runnable starts; they stop in the reverse order."""

    SERVERS = 0
    """First, and needing nothing: works while the API server is away."""
    CACHES = 1
    CONTROLLERS = 2
    """When the caches are in step."""
    LEADER = 3
    """While this process leads."""


class Manager:
    """The life of one process."""

    def __init__(
        self,
        client: Client,
        *,
        leader_election: LeaderElection | None = None,
        health_address: str = "",
        metrics_address: str = "",
        clock: Clock | None = None,
        grace_seconds: float = 30.0,
        address_wait_seconds: float = 0.0,
        metrics: Metrics = METRICS,
    ) -> None:
        """
        :param grace_seconds: that stopping may take.
        :param address_wait_seconds: for an address that another process has, which may be about to end: with the
            host's network two generations of a pod share its ports.
        """
        self.client = client
        self.clock = clock or client.clock
        self._live = HealthChecks()
        self._ready = HealthChecks()
        self._ready.add("caches", self._caches_problem)
        self._election = leader_election
        self._grace = grace_seconds
        self._failed = asyncio.Event()
        self._groups = {stage: Group(stage.name.lower(), self._failed) for stage in Stage}
        self._informers: dict[tuple[Resource, str, str, str], Informer] = {}
        self._servers: list[HttpServer] = []
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        routes = health_routes(self._live, self._ready)
        if health_address and health_address == metrics_address:
            routes |= metrics_routes(metrics.registry)
            metrics_address = ""
        if health_address:
            self.add_server(HttpServer(health_address, routes, name="health", wait_seconds=address_wait_seconds))
        if metrics_address:
            figures = metrics_routes(metrics.registry)
            self.add_server(HttpServer(metrics_address, figures, name="metrics", wait_seconds=address_wait_seconds))

    @property
    def leader_client(self) -> Client:
        """The client for what only a leader may write: its writes are refused when others may lead."""
        return self.client if self._election is None else self.client.fenced(self._election.fence)

    @property
    def leads(self) -> bool:
        """Whether this process leads; always, where there is no election."""
        return self._election is None or self._election.is_leader

    def informer(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        trim: Trim | None = drop_managed_fields,
        indexers: Mapping[str, Indexer] | None = None,
        streaming_list: bool = False,
    ) -> Informer:
        """The one informer of that kind and selection; who asks first decides on `trim` and `streaming_list`."""
        wanted = (resource, namespace, label_selector, field_selector)
        informer = self._informers.get(wanted)
        if informer is None:
            informer = self._informers[wanted] = Informer(
                self.client,
                resource,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                trim=trim,
                streaming_list=streaming_list,
            )
            self._groups[Stage.CACHES].add(informer)
        for name, indexer in (indexers or {}).items():
            informer.add_index(name, indexer)
        return informer

    def event_recorder(
        self, controller: str, instance: str, *, burst: int = BURST, refill_a_second: float = REFILL_A_SECOND
    ) -> EventRecorder:
        """A recorder that is run for you, and outlives the controllers that use it."""
        recorder = EventRecorder(self.client, controller, instance, burst=burst, refill_a_second=refill_a_second)
        self.add(recorder, stage=Stage.SERVERS)
        return recorder

    def add(self, runnable: Runnable, leader_only: bool = False, *, stage: Stage | None = None) -> None:
        """Run it when the caches are in step; `leader_only`: while we lead; or at a `stage` of your choice.

        What only a leader may do is run anew each time that this process comes to lead.
        """
        usual = Stage.LEADER if leader_only else Stage.CONTROLLERS
        self._groups[usual if stage is None else stage].add(runnable)

    def add_server(self, server: HttpServer) -> None:
        """Run it first, and go on when it listens."""
        self._servers.append(server)
        self._groups[Stage.SERVERS].add(server)

    def add_ready_check(self, name: str, check: Check) -> None:
        """The process is ready only if `check` passes.

        :raises ValueError: if the name is taken.
        """
        self._ready.add(name, check)

    def add_live_check(self, name: str, check: Check) -> None:
        """The process is to be restarted if `check` fails.

        :raises ValueError: if the name is taken.
        """
        self._live.add(name, check)

    def stop(self) -> None:
        """Stop in order. Calling it again ends the grace."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def run(self, *, signals: bool = True) -> None:
        """Run until stopped by a signal, by `stop`, by cancellation or by a failure, which is raised."""
        running: list[asyncio.Task[None]] = []
        with self._signals() if signals else contextlib.nullcontext():
            try:
                await self._start(running)
            finally:
                await self._end(running)
        for group in self._groups.values():
            if group.error is not None:
                raise group.error

    async def _start(self, running: list["asyncio.Task[None]"]) -> None:
        """Stage after stage, then wait for a reason to stop."""
        steps: dict[Stage, Callable[[], Coroutine[Any, Any, Any]]] = {
            Stage.SERVERS: self._servers_listen,
            Stage.CACHES: self._caches_in_step,
            Stage.CONTROLLERS: _nothing,
            Stage.LEADER: self._stopping.wait,
        }
        for stage, step in steps.items():
            run = self._campaign if stage is Stage.LEADER else self._groups[stage].run
            running.append(asyncio.create_task(run(), name=f"stage {stage.name.lower()}"))
            if not await self._until(step(), running):
                return

    async def _until(self, step: Coroutine[Any, Any, Any], running: list["asyncio.Task[None]"]) -> bool:
        """Wait for `step`; False if there is a reason to stop before.

        :raises BaseException: what the election raised.
        """
        stepping = asyncio.create_task(step)
        reasons = [asyncio.create_task(each.wait()) for each in (self._stopping, self._failed)]
        try:
            await asyncio.wait({stepping, *reasons, *running}, return_when=asyncio.FIRST_COMPLETED)
            for task in running:
                if task.done():
                    task.result()
            return stepping.done() and not (self._stopping.is_set() or self._failed.is_set())
        finally:
            for waiting in (stepping, *reasons):
                waiting.cancel()

    async def _end(self, running: list["asyncio.Task[None]"]) -> None:
        """All stages have ended when this returns, whoever cancels it: that only makes it hurry."""
        ending = asyncio.create_task(self._end_stages(running))
        cancelled = False
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                cancelled = True
                self._hurry.set()
        if cancelled:
            raise asyncio.CancelledError

    async def _end_stages(self, running: list["asyncio.Task[None]"]) -> None:
        log.info("stopping", seconds=self._grace)
        deadline = self.clock.monotonic() + self._grace
        for task in reversed(running):
            task.cancel()
            await self._grant(task, deadline)
            if not task.done():
                self._hurry.set()
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled() and task.exception() is not None:
                log.debug("stage ended by a failure", stage=task.get_name(), error=repr(task.exception()))
        log.info("stopped")

    async def _grant(self, task: "asyncio.Task[None]", deadline: float) -> None:
        """Wait for the task's end: while the grace lasts, but at least for a moment."""
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            left = deadline - self.clock.monotonic()
            await asyncio.wait({task, hurry}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=LAST_MOMENT)
        finally:
            hurry.cancel()

    async def _campaign(self) -> None:
        group = self._groups[Stage.LEADER]
        if self._election is None:
            await group.run()
            return
        while True:
            try:
                await self._election.run(self._lead)
            except LeadershipLost as error:
                log.warning("standing for election again", error=str(error))

    async def _lead(self) -> None:
        """What only a leader may do, on caches that know what the leader before us wrote last."""
        async with asyncio.TaskGroup() as renewing:
            for informer in self._informers.values():
                renewing.create_task(informer.renew())
        await self._groups[Stage.LEADER].run()

    async def _servers_listen(self) -> None:
        for server in self._servers:
            await server.ready.wait()

    async def _caches_in_step(self) -> None:
        for informer in tuple(self._informers.values()):
            await informer.wait_for_sync()
        log.info("caches are in step", kinds=[resource.plural for resource, *_ in self._informers])

    def _caches_problem(self) -> str:
        behind = sorted(wanted[0].plural for wanted, each in self._informers.items() if not each.synced)
        return f"not listed yet: {', '.join(behind)}" if behind else ""

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self.stop)
        try:
            yield
        finally:
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(each)


async def _nothing() -> None:
    """A stage that is started as soon as its tasks are."""
