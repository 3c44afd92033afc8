"""Bytes over real sockets: half-open connections, resets, torn answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from nmstate_k8s.core.config import ClusterConfig, StaticToken
from nmstate_k8s.core.errors import ConnectionsReset, NeverSent, Silent, Unavailable
from nmstate_k8s.core.transport import MAX_IN_FLIGHT, HttpTransport, Request, Response
from nmstate_k8s.testing.clock import until

GET = Request("GET", "/x")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.asyncio


def chunk(data: bytes) -> bytes:
    """A piece of a chunked answer."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Server:
    """Answers each request as told, and counts connections."""

    def __init__(self, handle: Callable[[asyncio.StreamWriter, str], Awaitable[None]]) -> None:
        self._handle = handle
        self.connections = 0
        self.requests: list[str] = []
        self.port = 0

    @asynccontextmanager
    async def run(self) -> AsyncIterator[HttpTransport]:
        """The server, and a transport to it."""
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        config = ClusterConfig(f"http://127.0.0.1:{self.port}", credentials=StaticToken("secret"))
        transport = HttpTransport(config, user_agent="test")
        try:
            yield transport
        finally:
            await transport.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(request.decode())
                await self._handle(writer, request.decode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def say_ok(writer: asyncio.StreamWriter, request: str) -> None:
    """A healthy server."""
    writer.write(OK)


async def say_nothing(writer: asyncio.StreamWriter, request: str) -> None:
    """A server whose packets do not arrive."""
    await asyncio.Event().wait()


async def test_connections_are_kept_and_a_new_one_is_new() -> None:
    """A probe must not be answered over a connection that was made before the network changed."""
    server = Server(say_ok)
    async with server.run() as transport:
        for _ in range(3):
            assert (await transport.send(GET, timeout=5)).body == b"ok"
        assert server.connections == 1
        await transport.send(GET, timeout=5, new_connection=True)
        assert server.connections == 2
        await transport.send(GET, timeout=5)
        assert server.connections == 2
        assert "Authorization: Bearer secret" in server.requests[0]


async def test_a_large_body_arrives_whole() -> None:
    """With its length, in pieces, and without a warning."""
    body = bytes(range(256)) * 10_000
    received = asyncio.Queue[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"content-length: {len(body)}\r\n".encode() in head.lower()
        received.put_nowait(await reader.readexactly(len(body)))
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = HttpTransport(ClusterConfig(f"http://127.0.0.1:{port}"), user_agent="test")
        response = await transport.send(Request("PATCH", "/x", body=body), timeout=30)
        await transport.close()
    assert response.body == b"ok"
    assert received.get_nowait() == body


async def test_no_answer_is_unavailable_in_time() -> None:
    """Half-open connections do not hang anybody."""
    async with Server(say_nothing).run() as transport:
        with pytest.raises(Unavailable, match=r"GET /x: no answer from 127\.0\.0\.1:\d+ within 0\.1 s"):
            await transport.send(GET, timeout=0.1)


async def test_a_refused_connection_was_never_sent() -> None:
    """So that even a create may be repeated."""
    server = Server(say_ok)
    async with server.run() as transport:
        pass
    with pytest.raises(NeverSent):
        await transport.send(GET, timeout=5)
    await transport.close()


async def test_what_is_urgent_does_not_wait_for_a_place() -> None:
    """As a lease's renewal while as many requests as may be are slow: leadership would be lost to them."""

    async def say(writer: asyncio.StreamWriter, request: str) -> None:
        await (say_nothing if "/slow" in request else say_ok)(writer, request)

    async with Server(say).run() as transport:
        slow = [asyncio.create_task(transport.send(Request("GET", "/slow"), timeout=60)) for _ in range(MAX_IN_FLIGHT)]
        waits = asyncio.create_task(transport.send(GET, timeout=60))
        assert (await transport.send(replace(GET, urgent=True), timeout=20)).body == b"ok"
        assert not waits.done()
        slow[0].cancel()
        assert (await waits).body == b"ok"
        for each in slow:
            each.cancel()
        await asyncio.wait(slow)


async def test_a_reset_breaks_what_is_under_way() -> None:
    """Requests and streams learn of it at once, and by its name; the next request connects anew."""

    async def begin(writer: asyncio.StreamWriter, request: str) -> None:
        if "/stream" in request:
            writer.write(STREAM + chunk(b"one\n"))
        elif "/slow" in request:
            await asyncio.Event().wait()
        else:
            writer.write(OK)

    server = Server(begin)
    async with server.run() as transport:
        slow = asyncio.create_task(transport.send(Request("GET", "/slow"), timeout=60))
        async with transport.stream(Request("GET", "/stream"), idle_seconds=60) as stream:
            assert await anext(stream.lines) == b"one"
            asyncio.get_running_loop().call_later(0.05, transport.reset)
            with pytest.raises(ConnectionsReset):
                await anext(stream.lines)
        with pytest.raises(ConnectionsReset):
            await slow
        before = server.connections
        assert (await transport.send(GET, timeout=5)).body == b"ok"
        assert server.connections == before + 1


async def test_a_reset_between_two_reads_is_not_missed() -> None:
    """Also while nobody waits for the stream."""

    async def begin(writer: asyncio.StreamWriter, request: str) -> None:
        writer.write(STREAM + chunk(b"one\n"))

    async with (
        Server(begin).run() as transport,
        transport.stream(GET, idle_seconds=60) as stream,
        aclosing(stream.lines) as lines,
    ):
        await anext(lines)
        transport.reset()
        with pytest.raises(ConnectionsReset):
            await anext(lines)


async def test_a_silent_stream_is_told_apart() -> None:
    """Nothing happened, or nobody is there."""

    async def begin(writer: asyncio.StreamWriter, request: str) -> None:
        writer.write(STREAM + chunk(b"one\n"))

    async with Server(begin).run() as transport, transport.stream(GET, idle_seconds=0.1) as stream:
        await anext(stream.lines)
        with pytest.raises(Silent):
            await anext(stream.lines)


async def test_a_large_line_in_many_pieces_is_one_line() -> None:
    """Objects of a megabyte are one line of a watch."""
    line = b"x" * 3_000_000

    async def begin(writer: asyncio.StreamWriter, request: str) -> None:
        writer.write(STREAM)
        for start in range(0, len(line), 100_000):
            writer.write(chunk(line[start : start + 100_000]))
            await writer.drain()
        writer.write(chunk(b"\nlast\n") + b"0\r\n\r\n")

    async with Server(begin).run() as transport, transport.stream(GET, idle_seconds=5) as stream:
        assert [len(each) async for each in stream.lines] == [len(line), 4]


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b""])
async def test_a_torn_stream_is_no_end(end: bytes) -> None:
    """Half a line, with or without the protocol's own end."""

    async def begin(writer: asyncio.StreamWriter, request: str) -> None:
        writer.write(STREAM + chunk(b"one\nhal") + end)
        await writer.drain()
        writer.close()

    async with Server(begin).run() as transport, transport.stream(GET, idle_seconds=5) as stream:
        assert await anext(stream.lines) == b"one"
        with pytest.raises(Unavailable):
            await anext(stream.lines)


async def test_a_refused_stream_is_told_whole() -> None:
    """A proxy's refusal need not end with a newline."""

    async def refuse(writer: asyncio.StreamWriter, request: str) -> None:
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\ngo\n\naway!")

    async with Server(refuse).run() as transport, transport.stream(GET, idle_seconds=5) as stream:
        assert stream.status == 503
        assert [line async for line in stream.lines] == [b"go\n\naway!"]


async def test_a_refused_token_is_renewed_once() -> None:
    """A rotated token costs one request, not an error."""

    class Rotating:
        def __init__(self) -> None:
            self.refreshed = 0

        async def authorization(self, *, refresh: bool = False) -> str:
            self.refreshed += refresh
            return "Bearer new" if self.refreshed else "Bearer old"

    async def strict(writer: asyncio.StreamWriter, request: str) -> None:
        writer.write(OK if "Bearer new" in request else b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    server, credentials = Server(strict), Rotating()
    async with server.run():
        config = ClusterConfig(f"http://127.0.0.1:{server.port}", credentials=credentials)
        transport = HttpTransport(config, user_agent="test")
        response: Response = await transport.send(GET, timeout=5)
        assert (response.status, credentials.refreshed) == (200, 1)
        await transport.close()


async def test_a_cancelled_request_harms_no_other() -> None:
    """Its connection is closed, the others go on."""

    go = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter, request: str) -> None:
        if "/slow" in request:
            await go.wait()
        writer.write(OK)

    server = Server(slow)
    async with server.run() as transport:
        first, second = (asyncio.create_task(transport.send(Request("GET", "/slow"), timeout=30)) for _ in range(2))
        await until(lambda: len(server.requests) == 2)
        first.cancel()
        go.set()
        assert (await second).body == b"ok"
