"""A `Transport` that counts what goes over another one, and how it was answered."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nmstate_k8s.core.transport import Request, Response, Stream, Transport
from nmstate_k8s.testing.faults import asked_for

__all__ = ["CountingTransport"]


class CountingTransport:
    """Tells a busy loop from a quiet one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.asked: Counter[tuple[str, str]] = Counter()
        """How often something was asked for, by verb and plural: each page of a list; a "check" is `has_come_to`.

        A watch that begins with a streaming list is a "list": that is what it costs the server."""
        self.answered: Counter[tuple[str, str]] = Counter()
        """How often there was an answer of 2xx."""

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        counted = self._count(request)
        response = await self._transport.send(request, timeout=timeout, new_connection=new_connection)
        self.answered[counted] += response.status < 300
        return response

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        counted = self._count(request)
        async with self._transport.stream(request, idle_seconds=idle_seconds) as stream:
            self.answered[counted] += stream.status < 300
            yield stream

    def reset(self) -> None:
        self._transport.reset()

    async def close(self) -> None:
        await self._transport.close()

    def _count(self, request: Request) -> tuple[str, str]:
        asked = asked_for(request.method, request.path, request.query)
        check = asked.verb == "list" and "resourceVersionMatch" in request.query
        verb = "check" if check else "list" if "sendInitialEvents" in request.query else asked.verb
        counted = verb, asked.plural
        self.asked[counted] += 1
        return counted
