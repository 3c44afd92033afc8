"""The way between one process and the API server's model, on which things take time and break.

* A request takes a moment on its way and another one back; a watch tells of a change later, in order.
* `sever_at_write` cuts the link at a write, before or after it was done: what the process does not live to see.
* A process that is frozen is one whose requests do not leave and whose watches say nothing: nothing fails, and what it
  had in hand goes on when it wakes.
* A link that is cut stays cut: a process that is started anew gets a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from random import Random

from nmstate_k8s.core.errors import Unavailable
from nmstate_k8s.core.transport import Request, Response, Stream
from nmstate_k8s.testing.rollout.apimodel import ApiModel, Change, Place, selected

__all__ = ["Link"]


class Link:
    """A `Transport`; `cut` is set when it is over."""

    def __init__(self, server: ApiModel, random: Random, *, latency: float = 0.02, lag: float = 0.2) -> None:
        self.cut = asyncio.Event()
        self.writes = 0
        self.latency = latency
        """The longest time of a way, in seconds; the mean is half of it."""
        self.lag = lag
        """How late a watch tells at most, in seconds."""
        self._server = server
        self._random = random
        self._last: tuple[int, bool] | None = None
        self._away_until = 0.0
        self._frozen_until = 0.0

    def sever_at_write(self, number: int, *, after: bool) -> None:
        """Cut it at the write so many writes from now (1: the next), before or after it is done."""
        self._last = (self.writes + number, after)

    def away(self, seconds: float) -> None:
        """For some time nothing comes through: requests fail, watches are silent."""
        self._away_until = asyncio.get_running_loop().time() + seconds

    def freeze(self, seconds: float) -> None:
        """For some time the process does nothing."""
        self._frozen_until = asyncio.get_running_loop().time() + seconds

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        await self._way()
        if request.fence is not None:
            request.fence()
            await asyncio.sleep(self._random.random() * self.latency)  # on the network it cannot be called back
        if request.method != "GET":
            self.writes += 1
            if self._last == (self.writes, False):
                self.cut.set()
        self._alive()
        said = self._server.answer(request.method, request.path, request.query, request.body, request.content_type)
        if request.method != "GET" and self._last == (self.writes, True):
            self.cut.set()
        self._alive()
        await self._way()
        self._alive()
        return said

    async def _way(self) -> None:
        await asyncio.sleep(self._random.random() * self.latency)
        await self._thawed()

    async def _thawed(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self._frozen_until:  # noqa: ASYNC110 - it may be frozen again meanwhile
            await asyncio.sleep(self._frozen_until - loop.time())

    def _alive(self) -> None:
        if self.cut.is_set() or asyncio.get_running_loop().time() < self._away_until:
            raise Unavailable("the link is cut")

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        await self._way()
        self._alive()
        async with aclosing(self._lines(request)) as lines:
            yield Stream(200, {}, lines)

    async def _lines(self, request: Request) -> AsyncGenerator[bytes, None]:
        place, server = Place.of(request.path), self._server
        loop = asyncio.get_running_loop()
        version = int(request.query["resourceVersion"])
        at = len(server.history)
        while at and server.history[at - 1].version > version:
            at -= 1
        while True:
            news = server.news(place.plural)
            while at < len(server.history):
                change = server.history[at]
                at += 1
                line = _told(change, place, request)
                if line is None:
                    continue
                due = max(change.at + self._random.random() * self.lag, self._away_until)
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                await self._thawed()
                self._alive()
                yield line
            await news.wait()

    def reset(self) -> None:
        """Connections are not modelled one by one."""

    async def close(self) -> None:
        self.cut.set()


def _told(change: Change, place: Place, request: Request) -> bytes | None:
    """The line of a watch about a change, if the watch selects it."""
    if change.plural != place.plural or place.namespace not in ("", change.namespace):
        return None
    if not selected(change.object, request.query):
        return None
    return change.line
