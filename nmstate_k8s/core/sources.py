"""Reasons to reconcile that do not come from the API server.

A source is run by its controller from the moment when the caches are in step until the controller stops. One
that returns is done; one that raises brings the controller down, since keys would be missing without a word.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Protocol

from nmstate_k8s.core.objects import Key
from nmstate_k8s.core.workqueue import Priority

__all__ = ["Channel", "Enqueue", "Source", "Ticker"]


class Enqueue(Protocol):
    """What a source brings its keys up with."""

    def __call__(self, key: Key, *, after: float = 0.0, priority: Priority = Priority.HIGH) -> None:
        """Reconcile `key`, now or in `after` seconds."""


class Source(Protocol):
    """Something that brings up keys by itself."""

    async def run(self, enqueue: Enqueue) -> None:
        """Call `enqueue` whenever a key needs a look, until cancelled."""


class Channel:
    """Keys from outside: a socket's callback, another task, another thread.

    What is sent before the controller runs waits for it; a key that waits is not kept twice.
    """

    def __init__(self) -> None:
        self._waiting: dict[Key, None] = {}
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def send(self, key: Key) -> None:
        """From the event loop's own thread."""
        self._waiting[key] = None
        self._arrived.set()

    def send_threadsafe(self, key: Key) -> None:
        """From any thread, while the controller runs.

        :raises RuntimeError: if it does not run.
        """
        if self._loop is None:
            raise RuntimeError("the channel's controller does not run: nobody would take the key")
        self._loop.call_soon_threadsafe(self.send, key)

    async def run(self, enqueue: Enqueue) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                keys, self._waiting = self._waiting, {}
                for key in keys:
                    enqueue(key)
        finally:
            self._loop = None


class Ticker:
    """The same keys again and again: the safety net under a source of events, and after what is news.

    The interval is stretched at random by up to `jitter`, so that many nodes do not tick together.
    """

    def __init__(
        self,
        interval: float,
        keys: Iterable[Key] | Callable[[], Iterable[Key]],
        *,
        jitter: float = 0.1,
        immediately: bool = False,
    ) -> None:
        if interval <= 0:
            raise ValueError(f"an interval must be positive, not {interval}")
        self._interval = interval
        self._keys = keys if callable(keys) else tuple(keys)
        self._jitter = jitter
        self._immediately = immediately

    async def run(self, enqueue: Enqueue) -> None:
        if self._immediately:
            self._tick(enqueue)
        while True:
            await asyncio.sleep(self._interval * (1 + random.uniform(0, self._jitter)))
            self._tick(enqueue)

    def _tick(self, enqueue: Enqueue) -> None:
        for key in self._keys() if callable(self._keys) else self._keys:
            enqueue(key, priority=Priority.LOW)
