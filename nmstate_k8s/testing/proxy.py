"""A wire that can be cut: bytes pass through a local port until told otherwise.

* `cut`: connections are broken and new ones broken at once, as when a link goes down with a reset.
* `freeze`: connections stay open and nothing passes, as when packets are dropped: half-open. New ones too.
* `restore`: new connections pass again. Those that were frozen stay dead, as after a change of address.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self, cast

__all__ = ["TcpProxy"]


@dataclass
class _Wire:
    """What all connections of one time share."""

    cut: bool = False
    frozen: bool = False


class _End(asyncio.Protocol):
    """One end of a connection through the proxy; what comes in goes out at `other`."""

    def __init__(self, proxy: "TcpProxy", wire: _Wire, other: "_End | None" = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.other = other
        self._proxy = proxy
        self._wire = wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._proxy.opened(self, self._wire)

    def data_received(self, data: bytes) -> None:
        if not self._wire.frozen and self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.closed(self)
        if not self._wire.frozen and self.other is not None:
            self.other.abort()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()


class TcpProxy:
    """From a free loopback port to another port of the loopback. Use `run`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.accepted = 0
        self._target_port = target_port
        self._wire = _Wire()
        self._ends: set[_End] = set()
        self._dialling: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def run(cls, target_port: int) -> AsyncIterator[Self]:
        """A proxy that listens."""
        proxy = cls(target_port)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _End(proxy, proxy._wire), "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            await proxy.cut()
            await server.wait_closed()

    async def cut(self) -> None:
        """Break all connections; new ones are broken at once."""
        self._wire.cut = True
        for task in tuple(self._dialling):
            task.cancel()
        while self._ends or self._dialling:
            for end in tuple(self._ends):
                end.abort()
            await asyncio.sleep(0)  # sockets are closed in the loop's next turn

    def freeze(self) -> None:
        """Let nothing pass any more; new connections are accepted and hang."""
        self._wire.frozen = True

    def restore(self) -> None:
        """New connections pass."""
        self._wire = _Wire()

    def opened(self, end: _End, wire: _Wire) -> None:
        """An end tells that it is open: a near one needs a far one."""
        self._ends.add(end)
        if wire.cut:
            end.abort()
        elif end.other is None:
            self.accepted += 1
            assert end.transport is not None
            end.transport.pause_reading()
            task = asyncio.create_task(self._dial(end, wire))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    def closed(self, end: _End) -> None:
        """An end tells that it is closed."""
        self._ends.discard(end)

    async def _dial(self, near: _End, wire: _Wire) -> None:
        loop = asyncio.get_running_loop()
        far = _End(self, wire, other=near)
        with suppress(OSError):
            await loop.create_connection(lambda: far, "127.0.0.1", self._target_port)
            near.other = far
        if near.transport is None or near.transport.is_closing() or near.other is None:
            far.abort()
            near.abort()
        else:
            near.transport.resume_reading()
