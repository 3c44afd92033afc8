"""What a work queue tells of itself, under client-go's names.

Depths and the ages of unfinished work are computed when they are asked for: a scrape sees the present, and an
idle queue costs nothing.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Protocol

from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.metrics import Metrics

__all__ = ["QueueMetrics", "QueueObserver", "Unobserved"]


class QueueObserver(Protocol):
    """Told of everything that happens to a queue's keys."""

    def added(self, key: Hashable) -> None:
        """The key waits, or will when `done`."""

    def taken(self, key: Hashable) -> None:
        """Work on it begins."""

    def done(self, key: Hashable) -> None:
        """Work on it ended."""

    def retried(self) -> None:
        """A key was added again after a failure."""

    def dropped(self) -> None:
        """What waited will never be worked on."""

    def follow(self, waiting: Callable[[int], int]) -> None:
        """A queue begins; `waiting` tells how many of its keys wait with a priority."""


class Unobserved:
    """Nobody looks."""

    def added(self, key: Hashable) -> None: ...
    def taken(self, key: Hashable) -> None: ...
    def done(self, key: Hashable) -> None: ...
    def retried(self) -> None: ...
    def dropped(self) -> None: ...
    def follow(self, waiting: Callable[[int], int]) -> None: ...


class QueueMetrics:
    """The figures of one controller's queue; the controller may have several, one after the other."""

    def __init__(self, metrics: Metrics, name: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._adds = metrics.queue_adds.labels(name, name)
        self._retries = metrics.queue_retries.labels(name, name)
        self._queue_seconds = metrics.queue_seconds.labels(name, name)
        self._work_seconds = metrics.work_seconds.labels(name, name)
        self._depth = {p: metrics.queue_depth.labels(name, name, str(p)) for p in (0, -100)}
        self._added: dict[Hashable, float] = {}
        self._taken: dict[Hashable, float] = {}
        metrics.unfinished_seconds.labels(name, name).set_function(self._unfinished)
        metrics.longest_running.labels(name, name).set_function(self._longest)

    def added(self, key: Hashable) -> None:
        self._adds.inc()
        self._added[key] = self._clock.monotonic()

    def taken(self, key: Hashable) -> None:
        now = self._clock.monotonic()
        self._queue_seconds.observe(now - self._added.pop(key, now))
        self._taken[key] = now

    def done(self, key: Hashable) -> None:
        now = self._clock.monotonic()
        self._work_seconds.observe(now - self._taken.pop(key, now))

    def retried(self) -> None:
        self._retries.inc()

    def dropped(self) -> None:
        self._added.clear()

    def follow(self, waiting: Callable[[int], int]) -> None:
        for priority, gauge in self._depth.items():
            gauge.set_function(partial(waiting, priority))

    def _unfinished(self) -> float:
        now = self._clock.monotonic()
        return sum(now - since for since in self._taken.values())

    def _longest(self) -> float:
        now = self._clock.monotonic()
        return max((now - since for since in self._taken.values()), default=0.0)
