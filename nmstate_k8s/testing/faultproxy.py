"""A proxy between a client and an API server that makes happen what networks and servers do to clients.

    async with FaultProxy.run(plane.config) as proxy, Client(proxy.config) as client:
        proxy.add(Cut(plural="configmaps"))
        ...
        proxy.heal()

Faults are those of `testing.faults`. It counts requests by verb and kind, so that a test can tell a busy loop.
The client talks to it in plain HTTP and needs no credentials: all that passes is done as the proxy's own user.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

import aiohttp
from aiohttp import web

from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.lines import LineSplitter
from nmstate_k8s.testing.faults import Asked, Broken, Fault, Reply, asked_for

__all__ = ["FaultProxy"]

_PASSED_ON: Final = ("Content-Type", "Accept")
MAX_BODY: Final = 64 * 1024 * 1024


class FaultProxy:
    """Use `run`."""

    def __init__(self, upstream: ClusterConfig) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """How often something was asked for, by verb and plural."""
        self.config = upstream
        self._upstream = upstream
        self._faults: list[Fault] = []
        self._open: list[tuple[web.Request, Asked]] = []
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    @asynccontextmanager
    async def run(cls, upstream: ClusterConfig) -> AsyncIterator[Self]:
        """A proxy that listens on the loopback."""
        proxy = cls(upstream)
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", proxy._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        connector = aiohttp.TCPConnector(ssl=upstream.ssl_context() or False, limit=0)
        proxy._session = aiohttp.ClientSession(
            upstream.server, connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            proxy.config = ClusterConfig(f"http://127.0.0.1:{port}")
            yield proxy
        finally:
            proxy.heal()
            for request, _ in tuple(proxy._open):
                _abort(request)
            await proxy._session.close()
            await runner.cleanup()

    def add(self, fault: Fault) -> Fault:
        """From now on this happens, too."""
        self._faults.append(fault)
        if fault.breaks:
            for request, asked in tuple(self._open):
                if fault.chooses(asked):
                    _abort(request)
        return fault

    def heal(self, *faults: Fault) -> None:
        """These end; none named: all."""
        for fault in faults or tuple(self._faults):
            fault.healed.set()
            if fault in self._faults:
                self._faults.remove(fault)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.counts.total()

    def _active(self, asked: Asked) -> list[Fault]:
        return [fault for fault in self._faults if not fault.healed.is_set() and fault.chooses(asked)]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = asked_for(request.method, request.path, request.query)
        self.counts[asked.verb, asked.plural] += 1
        exchange = (request, asked)
        self._open.append(exchange)
        try:
            body = await request.read()
            for fault in self._active(asked):
                if (made_up := await fault.before(asked)) is not None:
                    return _answer(made_up)
            return await self._pass_on(request, asked, body)
        except (Broken, aiohttp.ClientError, OSError):
            # The server's own connection broke: the client is to see just that.
            _abort(request)
            return web.Response(status=502)
        finally:
            self._open = [each for each in self._open if each is not exchange]

    async def _pass_on(self, request: web.Request, asked: Asked, body: bytes) -> web.StreamResponse:
        assert self._session is not None
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        if token := await self._upstream.credentials.authorization():
            headers["Authorization"] = token
        async with self._session.request(
            request.method, request.rel_url, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            if asked.verb == "watch" and answer.status == 200:
                return await self._stream(request, asked, answer)
            reply = Reply(answer.status, await answer.read(), _headers(answer))
            for fault in self._active(asked):
                reply = await fault.after(asked, reply)
            return _answer(reply)

    async def _stream(self, request: web.Request, asked: Asked, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers=_headers(answer))
        await response.prepare(request)
        splitter = LineSplitter()
        try:
            async for chunk in answer.content.iter_any():
                for line in splitter.feed(chunk):
                    for told in await self._told(asked, line + b"\n"):
                        await response.write(told)
        except Broken as broken:
            with suppress(OSError):
                await response.write(broken.first)
                await asyncio.sleep(0)  # what was written goes out before the connection breaks
            raise
        await response.write_eof()
        return response

    async def _told(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        """The line as all faults together leave it."""
        lines: Sequence[bytes] = (line,)
        for fault in self._active(asked):
            lines = [told for each in lines for told in await fault.line(asked, each)]
        return lines


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    kept = ("Content-Type", "Content-Encoding", "Retry-After", "Warning")
    return {name: answer.headers[name] for name in kept if name in answer.headers}


def _answer(reply: Reply) -> web.Response:
    headers = {"Content-Type": "application/json"} | reply.headers
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
