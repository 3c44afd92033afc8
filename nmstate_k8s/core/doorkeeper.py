"""Connections of a server that strangers can reach: never too many, and none that only holds its place.

* One that does not finish the head of a request within `head_seconds` of its first byte is closed; one on which
  nothing is asked, after `idle_seconds`.
* When `most` are open, the one that has been idle the longest makes room; if all are at work, the new one is closed.

A web framework's own limits begin with a request that has been read. This stands before it: `admit` wraps the
protocol that the framework makes for a connection, and `at_work` tells when a request of it is running.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Doorkeeper"]

HEAD_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 120.0
"""Longer than the API server keeps an idle connection (90 s): it must be the one to close."""
MOST: Final = 500


class Doorkeeper:
    """One server's connections."""

    def __init__(
        self, *, most: int = MOST, head_seconds: float = HEAD_SECONDS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.most = most
        self.head_seconds = head_seconds
        self.idle_seconds = idle_seconds
        self.idle: OrderedDict[_Guest, None] = OrderedDict()
        """Those that may be closed, the longest idle first."""
        self.guests: dict[asyncio.Protocol, _Guest] = {}

    def admit(self, make: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """A protocol factory for `loop.create_server`, around the framework's own."""
        return lambda: _Guest(make(), self)

    @contextmanager
    def at_work(self, protocol: asyncio.Protocol | None) -> Iterator[None]:
        """While a request of that connection (by the framework's own protocol) runs."""
        guest = self.guests.get(protocol) if protocol is not None else None
        if guest is None:
            yield
            return
        guest.work()
        try:
            yield
        finally:
            guest.rest()


class _Guest(asyncio.Protocol):
    """One connection."""

    def __init__(self, inner: asyncio.Protocol, keeper: Doorkeeper) -> None:
        self._inner = inner
        self._keeper = keeper
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resting = False
        self._speaking = False

    def work(self) -> None:
        """A request is running: it has limits of its own."""
        self._resting = self._speaking = False
        self._stop_timer()
        self._keeper.idle.pop(self, None)

    def rest(self) -> None:
        """Nothing is running."""
        if self._transport is None:
            return
        self._resting = True
        self._keeper.idle[self] = None
        self._start_timer(self._keeper.idle_seconds)

    def close(self) -> None:
        """At once: what was to be sent is not waited for."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        keeper = self._keeper
        if len(keeper.guests) >= keeper.most:
            longest = next(iter(keeper.idle), None)
            if longest is None:
                transport.abort()
                return
            longest.leave()
            longest.close()
        self._transport = transport
        keeper.guests[self._inner] = self
        self._inner.connection_made(transport)
        self.rest()

    def data_received(self, data: bytes) -> None:
        if self._resting and not self._speaking:
            self._speaking = True
            self._start_timer(self._keeper.head_seconds)
        if self._transport is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._transport is not None else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self.leave()
        self._transport = None
        self._inner.connection_lost(exc)

    def leave(self) -> None:
        """The place is free."""
        self._stop_timer()
        self._keeper.idle.pop(self, None)
        self._keeper.guests.pop(self._inner, None)

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
