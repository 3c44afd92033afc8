"""One kind of an API server, in memory: a `Transport` with history, for tests on virtual time.

It lists (in pages, each of one moment, or streaming), watches from any version that it still remembers, says Expired
where it does not, and nothing at all to a watch from its future, as the real one does. It may be told to refuse
streaming lists, or never to say where they end.
Between it and the client the faults of `testing.faults` may strike.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal, NamedTuple, TypeVar

from nmstate_k8s.core.errors import ApiError, ConnectionsReset, Silent, Unavailable
from nmstate_k8s.core.transport import Request, Response, Stream
from nmstate_k8s.testing.faults import Asked, Broken, Fault, Reply, asked_for, status
from nmstate_k8s.testing.transport import changed, listing, thing

__all__ = ["Backup", "ServerModel", "StreamingLists"]

T = TypeVar("T")
Json = dict[str, Any]
StreamingLists = Literal["offered", "refused", "without end"]


class _Change(NamedTuple):
    version: int
    kind: str
    object: Json


class Backup(NamedTuple):
    """What an API server's etcd holds at a moment."""

    objects: Mapping[str, Json]
    version: int


class ServerModel:
    """Change it by `put` and `delete`; look at `objects`."""

    def __init__(self, *, streaming_lists: StreamingLists = "offered") -> None:
        self._streaming_lists = streaming_lists
        self.objects: dict[str, Json] = {}
        self.version = 1
        self.counts: Counter[tuple[str, str]] = Counter()
        """How often something was asked for, by verb and plural."""
        self._forgotten = 0
        self._compactions = 0
        self._made = 0
        self._history: list[_Change] = []
        self._pages: dict[str, tuple[list[Json], int]] = {}
        self._news = asyncio.Event()
        self._faults: list[Fault] = []
        self._open: list[tuple[Asked, asyncio.Future[None]]] = []

    # --- What happens on the server

    def put(self, name: str, **fields: Any) -> Json:
        """Make the object or change it."""
        old = self.objects.get(name)
        if old is None:
            self._made += 1
        uid = old["metadata"]["uid"] if old else f"uid-{self._made}"
        new = thing(name, version=self.version + 1, uid=uid, **fields)
        self.objects[name] = new
        self._happened("MODIFIED" if old else "ADDED", new)
        return new

    def delete(self, name: str) -> None:
        """Its last version is that of its deletion."""
        old = self.objects.pop(name)
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version + 1)}}
        self._happened("DELETED", gone)

    def bookmark(self) -> None:
        """All watches are told where they are."""
        self._history.append(_Change(self.version, "BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}}))
        self._wake()

    def forget(self) -> None:
        """History is compacted, pages that were begun too."""
        self._forgotten = self.version
        self._compactions += 1
        self._history.clear()
        self._pages.clear()

    def backup(self) -> Backup:
        """All that is there, at the version that it has."""
        return Backup(dict(self.objects), self.version)

    def restore(self, backup: Backup) -> None:
        """Set back: connections break, and versions that were given out have not happened. Nothing older is known."""
        self.objects, self.version = dict(backup.objects), backup.version
        self.forget()
        self._end(Unavailable("the connection broke"))

    def _happened(self, kind: str, obj: Json) -> None:
        self.version += 1
        self._history.append(_Change(self.version, kind, obj))
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # --- What happens on the way

    def add(self, fault: Fault) -> Fault:
        """From now on this happens, too."""
        self._faults.append(fault)
        if fault.breaks:
            self._end(Unavailable("the connection broke"), fault)
        return fault

    def heal(self) -> None:
        """No fault any more."""
        for fault in self._faults:
            fault.healed.set()
        self._faults.clear()

    def reset(self) -> None:
        self._end(ConnectionsReset("the connection was reset"))

    async def close(self) -> None:
        self.reset()

    def _end(self, error: ApiError, fault: Fault | None = None) -> None:
        for asked, end in self._open:
            if (fault is None or fault.chooses(asked)) and not end.done():
                end.set_exception(error)

    def _active(self, asked: Asked) -> list[Fault]:
        return [fault for fault in self._faults if not fault.healed.is_set() and fault.chooses(asked)]

    # --- Transport

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        async with self._exchange(request) as (asked, end):
            reply = await self._bounded(self._answer(request, asked), end, timeout, Unavailable)
        return Response(reply.status, reply.headers, reply.body)

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        async with self._exchange(request) as (asked, end):
            refused = await self._bounded(self._refusal(request, asked), end, idle_seconds, Unavailable)
            if refused is not None:
                yield Stream(refused.status, refused.headers, _only(refused.body))
                return
            version = int(request.query.get("resourceVersion", self.version))
            first = [] if "resourceVersion" in request.query else self._all()
            lines = self._lines(asked, version, first, end, idle_seconds)
            async with aclosing(lines):
                yield Stream(200, {}, lines)

    @asynccontextmanager
    async def _exchange(self, request: Request) -> AsyncIterator[tuple[Asked, "asyncio.Future[None]"]]:
        asked = asked_for(request.method, request.path, request.query)
        self.counts[asked.verb, asked.plural] += 1
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        exchange = (asked, end)
        self._open.append(exchange)
        try:
            yield exchange
        finally:
            self._open = [each for each in self._open if each is not exchange]
            if not end.cancel():
                end.exception()  # seen, or nobody was there any more to be told

    async def _bounded(
        self, work: Coroutine[Any, Any, T], end: "asyncio.Future[None]", seconds: float, late: type[ApiError]
    ) -> T:
        """The work's result, or what ends it before."""
        task = asyncio.ensure_future(work)
        both: set[asyncio.Future[Any]] = {task, end}
        try:
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                end.result()
            if not task.done():
                raise late(f"no answer within {seconds:g} s")
            return task.result()
        except Broken:
            raise Unavailable("the connection broke") from None
        finally:
            task.cancel()

    async def _answer(self, request: Request, asked: Asked) -> Reply:
        for fault in self._active(asked):
            if (made_up := await fault.before(asked)) is not None:
                return made_up
        reply = self._list(request)
        for fault in self._active(asked):
            reply = await fault.after(asked, reply)
        return reply

    async def _refusal(self, request: Request, asked: Asked) -> Reply | None:
        for fault in self._active(asked):
            if (made_up := await fault.before(asked)) is not None:
                return made_up
        if "resourceVersion" not in request.query:
            return None if self._streaming_lists != "refused" else Reply(422, status(422, "Invalid"))
        if int(request.query["resourceVersion"]) < self._forgotten:
            return Reply(410, status(410, "Expired"))
        return None

    def _all(self) -> list[_Change]:
        """A streaming list."""
        ends = {"resourceVersion": str(self.version), "annotations": {"k8s.io/initial-events-end": "true"}}
        there = [_Change(self.version, "ADDED", obj) for obj in self.objects.values()]
        end = _Change(self.version, "BOOKMARK", {"metadata": ends})
        return [*there, end] if self._streaming_lists == "offered" else there

    def _too_large(self, request: Request) -> Reply:
        message = f"Too large resource version: {request.query['resourceVersion']}, current: {self.version}"
        return Reply(504, json.dumps({"code": 504, "reason": "Timeout", "message": message}).encode())

    def _list(self, request: Request) -> Reply:
        token = request.query.get("continue", "")
        if token and token not in self._pages:
            return Reply(410, status(410, "Expired"))
        if int(request.query.get("resourceVersion", 0)) > self.version:
            return self._too_large(request)
        items, version = self._pages.pop(token) if token else (list(self.objects.values()), self.version)
        limit = int(request.query.get("limit", 0)) or len(items)
        page, rest, following = items[:limit], items[limit:], ""
        if rest:
            following = f"{version}-{len(rest)}-{len(self._pages)}"
            self._pages[following] = (rest, version)
        said = listing(page, version, following)
        return Reply(said.status, said.body)

    async def _lines(
        self, asked: Asked, version: int, first: list[_Change], end: "asyncio.Future[None]", idle_seconds: float
    ) -> AsyncGenerator[bytes, None]:
        if version < self._forgotten:  # it was forgotten between the question and the answer
            yield b'{"type":"ERROR","object":' + status(410, "Expired") + b"}"
            return
        at = next((i for i, change in enumerate(self._history) if change.version > version), len(self._history))
        compactions = self._compactions
        while True:
            while first or (at < len(self._history) and compactions == self._compactions):
                if first:
                    change = first.pop(0)
                else:
                    change = self._history[at]
                    at += 1
                    if change.version < version + (change.kind != "BOOKMARK"):
                        continue  # the watch is from the future of a server that was set back
                held = self._through(asked, changed(change.kind, change.object))
                try:
                    for line in await self._bounded(held, end, idle_seconds, Silent):
                        yield line
                except _Last as last:
                    if last.line:
                        yield last.line
                    raise Unavailable("the connection broke") from None
            if compactions != self._compactions:
                return  # the server ends watches when it has lost track of them
            await self._bounded(_wait(self._news), end, idle_seconds, Silent)

    async def _through(self, asked: Asked, line: bytes) -> list[bytes]:
        lines = [line]
        try:
            for fault in self._active(asked):
                lines = [told for each in lines for told in await fault.line(asked, each)]
        except Broken as broken:
            raise _Last(broken.first.rstrip(b"\n") if broken.first.endswith(b"\n") else b"") from None
        return lines


class _Last(Exception):
    """The stream ends here, after this line if there is one: half a line is none."""

    def __init__(self, line: bytes) -> None:
        super().__init__("the stream ends")
        self.line = line


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _only(line: bytes) -> AsyncGenerator[bytes, None]:
    yield line
