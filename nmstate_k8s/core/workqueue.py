"""A queue of keys to work on, as controllers need it.

* **Stingy**: a key that waits is not added twice; however often it changes, it is worked on once.
* **Exclusive**: a key is never handed out while somebody works on it; if it is added meanwhile, it waits
  until `done` and is then handed out again. So no key is lost and none runs twice at once.
* **Fair**: keys are handed out in the order in which they were added, news (`HIGH`) before what was there
  anyway (`LOW`); but every 16th key is a LOW one if any waits, so that none starves. A key that comes again
  because of its own work (a retry, a later look) keeps the priority that it was handed out with.
* **Patient**: `add_after` hands a key over later (the earliest wish counts), `add_rate_limited` after as long
  as the limiter says. A delay does not keep a key from being added at once by somebody else.
* **Ends**: after `shut_down` nothing is accepted; `get` raises QueueShutDown at once, or, draining, when
  nothing waits any more. Delayed keys are dropped either way; the caller is told what was dropped. `join`
  returns when all work has ended.

`dirty` keys are to be worked on, `processing` keys are being worked on, and the lanes hold the keys that are
dirty and not processing. Time is the event loop's.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from enum import IntEnum
from typing import Final, Generic, TypeVar

from nmstate_k8s.core.errors import CoreError
from nmstate_k8s.core.queuemetrics import QueueObserver, Unobserved
from nmstate_k8s.core.ratelimit import RateLimiter, default_limiter

__all__ = ["Priority", "QueueShutDown", "WorkQueue"]

LOW_EVERY: Final = 16

K = TypeVar("K", bound=Hashable)


class Priority(IntEnum):
    """Which lane a key waits in."""

    HIGH = 0
    LOW = -100


class QueueShutDown(CoreError):
    """There is nothing more to get."""


class WorkQueue(Generic[K]):
    """Use from one event loop: the keys of one controller."""

    def __init__(self, *, limiter: RateLimiter | None = None, metrics: QueueObserver | None = None) -> None:
        self._limiter = limiter or default_limiter()
        self._metrics = metrics or Unobserved()
        self._dirty: dict[K, Priority] = {}
        self._processing: dict[K, Priority] = {}
        self._lanes: dict[Priority, dict[K, None]] = {priority: {} for priority in Priority}
        self._since_low = 0
        self._getters: deque[asyncio.Future[None]] = deque()
        self._due: dict[K, tuple[float, Priority]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._pushed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._draining = False
        self._ended = asyncio.Event()
        self._metrics.follow(self.waiting)

    def add(self, key: K, priority: Priority = Priority.HIGH) -> None:
        """To be worked on as soon as it is its turn."""
        if self._closed:
            return
        waiting = self._dirty.get(key)
        if waiting is not None and waiting >= priority:
            return
        self._dirty[key] = priority
        if waiting is None:
            self._metrics.added(key)
        if key in self._processing:
            return
        if waiting is not None:
            del self._lanes[waiting][key]
        self._lanes[priority][key] = None
        self._wake()

    def add_after(self, key: K, delay: float, priority: Priority | None = None) -> None:
        """To be worked on in `delay` seconds; an earlier wish stays. A key in work keeps its priority."""
        if priority is None:
            priority = self.priority(key)
        if delay <= 0:
            self.add(key, priority)
            return
        if self._closed:
            return
        at = asyncio.get_running_loop().time() + delay
        wished = self._due.get(key)
        if wished is not None and wished[0] <= at:
            self._due[key] = (wished[0], max(wished[1], priority))
            return
        self._due[key] = (at, max(wished[1], priority) if wished else priority)
        self._pushed += 1
        heapq.heappush(self._heap, (at, self._pushed, key))
        if len(self._heap) > 64 + 2 * len(self._due):  # wishes that came earlier left many behind
            self._heap = [each for each in self._heap if each[2] in self._due and self._due[each[2]][0] == each[0]]
            heapq.heapify(self._heap)
        self._arm()

    def add_rate_limited(self, key: K, priority: Priority | None = None) -> float:
        """To be worked on again after a failure; the seconds until then. A key in work keeps its priority."""
        delay = self._limiter.when(key)
        self._metrics.retried()
        self.add_after(key, delay, priority)
        return delay

    def forget(self, key: K) -> None:
        """The key is well: its failures no longer count."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        """How often it was rate limited since it was last forgotten."""
        return self._limiter.failures(key)

    async def get(self) -> K:
        """The next key; call `done` with it. Cancellation loses no key.

        :raises QueueShutDown: when there will be no more.
        """
        while True:
            if self._closed and not (self._draining and self._dirty):
                raise QueueShutDown("the queue was shut down")
            key = self._take()
            if key is not None:
                return key
            await self._wait()

    def done(self, key: K) -> None:
        """Work on the key has ended, well or not."""
        if self._processing.pop(key, None) is None:
            return
        self._metrics.done(key)
        priority = self._dirty.get(key)
        if priority is not None:
            self._lanes[priority][key] = None
        self._wake(everybody=self._closed)
        self._end()

    def shut_down(self, *, drain: bool = False) -> dict[K, Priority]:
        """No more keys; with `drain`, what waits is still handed out. The keys that never will be."""
        self._closed = True
        self._draining = drain
        dropped = {key: wish[1] for key, wish in self._due.items() if not drain or key not in self._dirty}
        self._due.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not drain:
            dropped |= {key: max(priority, dropped.get(key, priority)) for key, priority in self._dirty.items()}
            self._dirty.clear()
            for lane in self._lanes.values():
                lane.clear()
            self._metrics.dropped()
        self._wake(everybody=True)
        self._end()
        return dropped

    async def join(self) -> None:
        """Return when the queue is shut down and no work is left or under way."""
        await self._ended.wait()

    @property
    def processing(self) -> frozenset[K]:
        """The keys that are being worked on."""
        return frozenset(self._processing)

    def priority(self, key: K) -> Priority:
        """The priority with which a key in work was handed out."""
        return self._processing.get(key, Priority.HIGH)

    def __len__(self) -> int:
        """How many keys wait for their turn now."""
        return sum(map(len, self._lanes.values()))

    def waiting(self, priority: int) -> int:
        """How many of them with that priority."""
        return len(self._lanes[Priority(priority)])

    def _take(self) -> K | None:
        high, low = self._lanes[Priority.HIGH], self._lanes[Priority.LOW]
        if not high and not low:
            return None
        lane = low if low and (not high or self._since_low >= LOW_EVERY - 1) else high
        self._since_low = 0 if lane is low else self._since_low + 1
        key = next(iter(lane))
        del lane[key]
        self._processing[key] = self._dirty.pop(key)
        self._metrics.taken(key)
        return key

    async def _wait(self) -> None:
        getter = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            if getter in self._getters:
                self._getters.remove(getter)
            elif not getter.cancelled():
                self._wake()  # we were woken for a key that we shall not take
            raise

    def _wake(self, *, everybody: bool = False) -> None:
        while self._getters and (everybody or len(self)):
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                if not everybody:
                    return

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = asyncio.get_running_loop().call_at(self._heap[0][0], self._fire)

    def _fire(self) -> None:
        self._timer = None
        # A timer may come a clock tick early: what is due when it fires is due.
        now = max(asyncio.get_running_loop().time(), self._heap[0][0])
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            wished = self._due.get(key)
            if wished is not None and wished[0] == at:  # else: an earlier wish took its place
                del self._due[key]
                self.add(key, wished[1])
        self._arm()

    def _end(self) -> None:
        if self._closed and not self._processing and not self._dirty:
            self._ended.set()
