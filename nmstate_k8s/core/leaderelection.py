"""One of several processes leads, by a Lease.

* Work runs only while we hold the lease, and has ended before anybody else may take it: a holder that
  cannot renew for `renew_deadline` seconds stops its work; others wait for `lease_seconds` after the last
  renewal that they saw. The difference is what the work has to stop in; what then still runs is cancelled.
* Each side measures on its own monotonic clock, from before its request was sent, or from when it saw the
  lease change: wall clocks need not agree, and their jumps do not matter. It holds while clock rates differ
  by less than `retry / 2` in `lease_seconds` (6 %), and as long as a process is not frozen.
* A process that was frozen still works for a moment when it wakes. `fence` refuses its writes right before they
  are sent (`Client.fenced`). What was handed to the network before cannot be called back: a lease is a hint, and
  writes that must not be done twice carry a precondition (a resourceVersion) besides.
* Every write of the lease carries the resourceVersion that was read: of two candidates one gets a Conflict.
* A lease that is deleted is waited for like one that is not renewed, by all who knew that there was one; its holder
  makes it again. (At most one deletion in two lease times, that is.) Only a process that starts in these seconds
  cannot know of it, and begins while the holder may still work.
* A leader that ends gives the lease up, so that the next one need not wait.
* Requests for the lease do not queue behind the process's others, however slow those are.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from nmstate_k8s.core.client import MERGE, Client
from nmstate_k8s.core.clock import micro_time
from nmstate_k8s.core.errors import AlreadyExists, Conflict, CoreError, LeadershipLost, NotFound, NotLeader
from nmstate_k8s.core.metrics import METRICS, Metrics
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.core.retry import NO_RETRY

__all__ = ["LEASES", "LeaderElection"]

LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
JITTER: Final = 0.2

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0


class _Lease(msgspec.Struct, frozen=True):
    spec: _Spec = _Spec()


class LeaderElection:
    """A candidate. `identity` must differ between candidates (a pod's name)."""

    def __init__(
        self,
        client: Client,
        name: str,
        namespace: str,
        identity: str,
        *,
        lease_seconds: float = 15.0,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        metrics: Metrics = METRICS,
    ) -> None:
        if not lease_seconds > renew_deadline > retry > 0:
            raise ValueError("lease_seconds > renew_deadline > retry > 0 must hold, or two could lead at once")
        self._client = client
        self._clock = client.clock
        self._name = name
        self._namespace = namespace
        self.identity = identity
        self._lease_seconds = lease_seconds
        self._renew_deadline = renew_deadline
        self._retry = retry
        self._gauge = metrics.leader.labels(name)
        self._gauge.set(0)
        self._lease: Object | None = None
        self._seen = _Spec()
        self._seen_at = float("-inf")
        self._gone_since = self._gone_till = float("-inf")
        """When there was no lease: the first and the last look of those that followed each other."""
        self._renewed_at = float("-inf")
        self._leads = False
        self._log = log.bind(lease=f"{namespace}/{name}", identity=identity)

    @property
    def is_leader(self) -> bool:
        """Whether we lead now, as far as anybody can tell."""
        return self._leads and self._clock.monotonic() < self._renewed_at + self._renew_deadline

    @property
    def leader(self) -> str:
        """Who leads, as last seen; "" if nobody."""
        return self._seen.holder_identity

    def fence(self) -> None:
        """Ask this before a write that only a leader may do, in the work that `run` runs and in what that left behind.

        :raises NotLeader: if others may have begun.
        """
        if not self._leads or self._clock.monotonic() >= self._work_ends():
            raise NotLeader(
                f"not sent: the lease {self._name} is no longer ours for sure, another process may lead now"
            )

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait to lead, then run `work` while leading. Returns when it has returned.

        Cancellation ends the work (which may take its time, as long as we lead) and gives the lease up.

        :raises LeadershipLost: when the lease could not be renewed; the work has ended by then.
        """
        await self._acquire()
        self._leads = True
        self._gauge.set(1)
        self._log.info("leading")
        task = asyncio.create_task(work(), name=f"leader of {self._name}")
        try:
            await self._lead(task)
        finally:
            self._leads = False
            self._gauge.set(0)
            # Work that somebody would not wait for may still do something: nobody else is to begin at once.
            if task.done() and self._clock.monotonic() < self._renewed_at + self._lease_seconds:
                await self._release()

    async def _acquire(self) -> None:
        while not await self._try():
            await self._client.pause(self._retry * (1 + random.uniform(0, JITTER)))

    async def _lead(self, task: "asyncio.Task[None]") -> None:
        """Renew until the work ends; end the work when that fails or we are cancelled."""
        renewing = asyncio.create_task(self._renew(), name=f"renewal of {self._name}")
        try:
            await asyncio.wait({task, renewing}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Stopping takes its time; we go on leading meanwhile, or have to be quick.
            task.cancel()
            await asyncio.wait({task, renewing}, return_when=asyncio.FIRST_COMPLETED)
            raise
        finally:
            lost = renewing.done()
            try:
                if not task.done():
                    await self._stop(task)
            finally:
                renewing.cancel()  # also if somebody will not wait for the work
            await asyncio.wait({renewing})
        if lost:
            _ = task.cancelled() or task.exception()
            raise LeadershipLost(f"the lease {self._name} could not be renewed for {self._renew_deadline:g} s")
        task.result()

    async def _renew(self) -> None:
        """Returns when the lease must be counted as lost."""
        while (left := self._left()) > 0:
            await self._clock.sleep(min(self._retry, left))
            if (left := self._left()) <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    held = await self._try()
            except TimeoutError:
                break
            if not held and self._seen.holder_identity not in ("", self.identity):
                self._log.error("leadership is lost: somebody else holds the lease", leader=self.leader)
                return
        self._log.error("leadership is lost: the lease was not renewed in time")

    def _left(self) -> float:
        return self._renewed_at + self._renew_deadline - self._clock.monotonic()

    def _work_ends(self) -> float:
        """When others may begin, less what clock rates may differ by."""
        return self._renewed_at + self._lease_seconds - self._retry / 2

    async def _stop(self, task: "asyncio.Task[None]") -> None:
        """Cancel the work and, when others may begin, insist."""
        task.cancel()
        left = self._work_ends() - self._clock.monotonic()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, left))
        while not done:
            self._log.error("the work has not ended in time, cancelling it again")
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=1.0)

    async def _try(self) -> bool:
        """Take or renew the lease if it is ours, free or stale; whether we hold it."""
        try:
            try:
                return await self._try_once()
            except Conflict:
                if not self._leads:
                    raise
                # Our last write was done though its answer was lost, or somebody put a label on the lease.
                self._lease = None
                return await self._try_once()
        except (Conflict, AlreadyExists):
            self._lease = None  # somebody was faster
        except CoreError as error:  # also if there is no way to the server now: a file that is being replaced
            self._lease = None  # it may have been written all the same: look before the next write
            self._log.warning("cannot get or renew the lease", error=str(error), leader=self.leader)
        return False

    async def _try_once(self) -> bool:
        await self._look()
        if not self._may_take():
            return False
        sent = self._clock.monotonic()
        await self._write(self._claim())
        self._renewed_at = sent
        return True

    async def _look(self) -> None:
        if self._leads and self._lease is not None:
            return  # ours: its resourceVersion is known, and a Conflict tells if that is wrong
        path = LEASES.path(self._name, self._namespace)
        try:
            body = await self._client.request(
                "GET", path, timeout=self._renew_deadline / 2, retry=NO_RETRY, urgent=True
            )
        except NotFound:
            now = self._clock.monotonic()
            # Without a look for a while (we were frozen or cut off) it may have been there in between.
            if self._lease is not None or now - self._gone_till > self._renew_deadline / 2 + 2 * self._retry:
                self._gone_since = now
            self._gone_till = now
            self._lease = None
            return
        self._lease, self._gone_till = Object(body, LEASES), float("-inf")
        spec = self._lease.view(_Lease).spec
        if spec != self._seen:
            if spec.holder_identity not in ("", self.identity, self._seen.holder_identity):
                self._log.info("another one leads", leader=spec.holder_identity)
            self._seen, self._seen_at = spec, self._clock.monotonic()

    def _may_take(self) -> bool:
        if self._lease is None and not self._leads and self._seen != _Spec():
            # Who holds it may not know yet that it was deleted.
            return self._clock.monotonic() >= self._gone_since + self._lease_seconds
        if self._leads or self._seen.holder_identity in ("", self.identity):
            return self._seen.holder_identity in ("", self.identity)
        # The holder's own promise counts: it may have been started with other settings than ours.
        return self._clock.monotonic() >= self._seen_at + max(self._lease_seconds, self._seen.lease_duration_seconds)

    def _claim(self) -> _Spec:
        now = micro_time(self._clock.now())
        kept = self._seen.holder_identity == self.identity
        return _Spec(
            holder_identity=self.identity,
            lease_duration_seconds=max(1, round(self._lease_seconds)),
            acquire_time=self._seen.acquire_time if kept and self._seen.acquire_time else now,
            renew_time=now,
            lease_transitions=self._seen.lease_transitions + (0 if kept or self._lease is None else 1),
        )

    async def _write(self, spec: _Spec) -> None:
        fields = {"spec": msgspec.to_builtins(spec)}
        if self._lease is None:
            request = self._client.request(
                "POST",
                LEASES.path(namespace=self._namespace),
                {
                    "apiVersion": LEASES.api_version,
                    "kind": LEASES.kind,
                    "metadata": {"name": self._name, "namespace": self._namespace},
                    **fields,
                },
                timeout=self._renew_deadline / 2,
                retry=NO_RETRY,
                urgent=True,
            )
        else:
            request = self._client.request(
                "PATCH",
                LEASES.path(self._name, self._namespace),
                {"metadata": {"resourceVersion": self._lease.metadata.resource_version}, **fields},
                content_type=MERGE,
                timeout=self._renew_deadline / 2,
                retry=NO_RETRY,
                urgent=True,
            )
        answer = await request
        self._lease, self._seen, self._seen_at = Object(answer, LEASES), spec, self._clock.monotonic()

    async def _release(self) -> None:
        """Say that nobody leads. If that fails, the lease runs out by itself."""
        if self._lease is None or self._seen.holder_identity != self.identity:
            return
        now = micro_time(self._clock.now())
        free = _Spec("", 1, now, now, self._seen.lease_transitions)
        try:
            async with asyncio.timeout(self._retry):
                await self._write(free)
        except (CoreError, TimeoutError) as error:
            self._log.warning("could not give the lease up, it will run out", error=str(error) or "timeout")
        else:
            self._log.info("gave the lease up")
