"""Bytes to and from the API server: the only module that knows aiohttp's client.

* `send` is one request with one answer; `stream` is one request with an endless answer, cut into lines.
* Errors of the network are `Unavailable`; the HTTP library's own never leave this module. What the server
  answers, whatever its status, is a `Response`.
* `reset` abandons every connection and breaks what is under way with `ConnectionsReset`: after a change of
  the node's address the old connections are half-open, and nobody would ever tell.
* A half-open connection is noticed also without `reset`: by the kernel (`connections`), and by `idle_seconds` of a
  stream.
* Cancellation closes the connection concerned and no other.
* A request with a `fence` is sent only if that does not raise at the last moment: when a connection is there and
  the next thing is to hand the bytes to the socket.
"""

import asyncio
import io
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.connections import Connections
from nmstate_k8s.core.errors import ConnectionsReset, CoreError, NeverSent, Silent, Unavailable
from nmstate_k8s.core.lines import LineSplitter

__all__ = ["Fence", "HttpTransport", "Request", "Response", "Stream", "Transport"]

MAX_IN_FLIGHT: Final = 32
"""Requests at once; watches are not counted, each needs a connection of its own, and urgent ones do not wait."""
STREAM_START_SECONDS: Final = 30.0
LARGE_BODY_BYTES: Final = 1 << 20
"""aiohttp writes such a body as one piece, and warns that this may block; of a file it takes one after the other."""
Fence = Callable[[], None]
"""Raises a CoreError when a write must not be sent any more."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, without where to and as whom."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    fence: Fence | None = field(default=None, compare=False, repr=False)
    repeatable: bool | None = None
    """Whether it may be sent again when its answer was lost; None: as is usual for its method."""
    urgent: bool = False
    """Whether it is sent at once, however many others are in flight."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Response:
    """The whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    warnings: tuple[str, ...] = ()
    """What the server thinks that somebody should know: the texts of its Warning headers."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The beginning of an endless answer; `lines` raises as `Transport.stream` says.

    If the status is not 200, the only line is the whole body of the refusal.
    """

    status: int
    headers: Mapping[str, str]
    lines: AsyncGenerator[bytes, None]


class Transport(Protocol):
    """The outside world of a `Client`."""

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        """One request, one answer.

        :raises Unavailable: if there was none within `timeout` seconds.
        """

    def stream(self, request: Request, *, idle_seconds: float) -> AbstractAsyncContextManager[Stream]:
        """One request whose answer is read line by line, until the server ends it.

        :raises Unavailable: if the connection breaks; Silent, if it says nothing for `idle_seconds`.
        """

    def reset(self) -> None:
        """Abandon all connections; what is under way raises ConnectionsReset."""

    async def close(self) -> None:
        """Abandon all connections, for good."""


class HttpTransport:
    """The transport over aiohttp."""

    def __init__(self, config: ClusterConfig, *, user_agent: str, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._config = config
        self._connections = Connections(config, user_agent=user_agent)
        self._in_flight = asyncio.Semaphore(max_in_flight)
        self._guards: set[_Guard] = set()

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        with self._guard(request) as guard:
            if new_connection:
                async with self._connections.new() as session:
                    return await self._send(session, request, guard, timeout)
            place = nullcontext() if request.urgent else self._in_flight
            async with place, self._connections.pooled(guard) as session:
                return await self._send(session, request, guard, timeout)

    async def _send(
        self, session: aiohttp.ClientSession, request: Request, guard: "_Guard", timeout: float
    ) -> Response:
        async with guard.bounded(timeout):
            response = await self._start(session, request)
            async with response:
                body = await response.read()
                return Response(response.status, response.headers, body, _warnings(response))

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        with self._guard(request) as guard:
            async with self._connections.pooled(guard) as session:
                async with guard.bounded(min(idle_seconds, STREAM_START_SECONDS)):
                    response = await self._start(session, request)
                try:
                    read = _lines if response.status == 200 else _whole
                    yield Stream(response.status, response.headers, read(response, guard, idle_seconds))
                finally:
                    # Without TLS's farewell: a half-open peer would never answer it.
                    if response.connection is not None and response.connection.transport is not None:
                        response.connection.transport.abort()
                    response.close()

    def reset(self) -> None:
        for guard in self._guards:
            guard.break_off()
        self._connections.reset()

    async def close(self) -> None:
        self.reset()
        await self._connections.close()

    @contextmanager
    def _guard(self, request: Request) -> Iterator["_Guard"]:
        guard = _Guard(request, self._config, distrust=self._connections.distrust)
        self._guards.add(guard)
        try:
            yield guard
        finally:
            self._guards.discard(guard)

    async def _start(self, session: aiohttp.ClientSession, request: Request) -> aiohttp.ClientResponse:
        response = await self._start_as(session, request, await self._config.credentials.authorization())
        if response.status == 401:
            # A token may have been rotated earlier than expected: ask once more with a fresh one.
            response.release()
            fresh = await self._config.credentials.authorization(refresh=True)
            response = await self._start_as(session, request, fresh)
        return response

    async def _start_as(
        self, session: aiohttp.ClientSession, request: Request, authorization: str
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": request.accept}
        body: bytes | io.BytesIO | _FencedBody | None = request.body
        if request.body is not None and len(request.body) > LARGE_BODY_BYTES:
            body = io.BytesIO(request.body)
        if request.fence is not None:
            request.fence()  # spares the connection
            body = _FencedBody(request.body or b"", request.fence)
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if authorization:
            headers["Authorization"] = authorization
        return await session.request(
            request.method,
            request.path,
            params=request.query,
            data=body,
            headers=headers,
            allow_redirects=False,
            server_hostname=self._config.tls_server_name or None,
        )


class _FencedBody(aiohttp.BytesPayload):
    """A body that asks before it goes. The headers wait for it: without it nothing is sent."""

    def __init__(self, body: bytes, fence: Fence) -> None:
        super().__init__(body)
        self._fence = fence

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._fence()
        await super().write_with_length(writer, content_length)


class _Guard:
    """What is under way for one request: bounded in time, breakable from outside, with errors of our own."""

    def __init__(self, request: Request, config: ClusterConfig, *, distrust: Callable[[], None]) -> None:
        self._request = str(request)
        self._config = config
        self._distrust = distrust
        self._broken = False
        self._deadline: asyncio.Timeout | None = None

    def break_off(self) -> None:
        """Whatever waits here, or will, raises ConnectionsReset."""
        self._broken = True
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def bounded(self, seconds: float, late: type[Unavailable] = Unavailable) -> AsyncIterator[None]:
        """The body is one exchange with the network, and nothing else; `late` is what its end in time means."""
        if self._broken:
            raise ConnectionsReset("the connection was reset", request=self._request)
        self._deadline = asyncio.timeout(seconds)
        try:
            async with self._deadline:
                yield
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise self._meaning(error, seconds, late) from error
        finally:
            self._deadline = None

    def _meaning(self, error: Exception, seconds: float, late: type[Unavailable]) -> CoreError:
        if isinstance(error.__cause__, CoreError):
            return error.__cause__  # the fence's, out of the writing of the body
        if self._broken:
            return ConnectionsReset("the connection was reset", request=self._request)
        host = self._config.host
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
            self._distrust()
            return NeverSent(
                f"the certificate of {host} is not trusted: {_reason(error)} (trusted are {self._config.trusts})",
                request=self._request,
            )
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return NeverSent(f"cannot connect to {host}: {_reason(error)}", request=self._request)
        if isinstance(error, TimeoutError):
            return late(f"no answer from {host} within {seconds:g} s", request=self._request)
        return Unavailable(f"the connection to {host} broke: {_reason(error)}", request=self._request)


def _reason(error: BaseException) -> str:
    """The innermost cause in the fewest words: HTTP libraries wrap it in their own."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(inner, ssl.SSLError):
        return str(getattr(inner, "verify_message", "") or inner.reason or inner)
    if isinstance(inner, aiohttp.ConnectionTimeoutError):
        return "no answer to the attempt to connect"
    if isinstance(inner, aiohttp.ServerDisconnectedError):
        return "it was closed without an answer"
    if isinstance(inner, OSError):
        number = inner.errno or 0
        return os.strerror(number) if number > 0 else inner.strerror or str(inner) or type(inner).__name__
    return str(inner) or type(inner).__name__


def _warnings(response: aiohttp.ClientResponse) -> tuple[str, ...]:
    """The texts of `Warning: 299 - "text"` (RFC 7234), which is how API servers and admission webhooks warn."""
    found = (header.partition('"')[2].rpartition('"')[0] for header in response.headers.getall("Warning", ()))
    return tuple(text.replace('\\"', '"') for text in found if text)


async def _lines(response: aiohttp.ClientResponse, guard: _Guard, idle_seconds: float) -> AsyncGenerator[bytes, None]:
    splitter = LineSplitter()
    while True:
        async with guard.bounded(idle_seconds, late=Silent):
            chunk = await response.content.readany()
        if not chunk:
            break
        for line in splitter.feed(chunk):
            yield line
    if splitter.torn:
        raise Unavailable("the stream ended in the middle of a line", request=str(response.url.path))


async def _whole(response: aiohttp.ClientResponse, guard: _Guard, seconds: float) -> AsyncGenerator[bytes, None]:
    """A refusal is no stream: its body, whether it ends with a newline or not."""
    async with guard.bounded(min(seconds, STREAM_START_SECONDS)):
        body = await response.read()
    yield body
