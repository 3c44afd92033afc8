"""What TLS connections take to read into, over real TLS: ours little, those of others what asyncio gives them."""

import asyncio
import gc
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.serving import HttpServer
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.core.tlsbuffers import READ_BYTES
from nmstate_k8s.core.transport import HttpTransport, Request
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.pki import Authority, Pair

pytestmark = pytest.mark.asyncio

LARGE = "x" * (1 << 20)


class Site:
    """A certificate, who trusts it, and the connections that there are."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.pair: Pair = self.authority.issue("server", "server", hosts=("127.0.0.1",))
        self.before = set(map(id, _connections()))

    def buffers(self, *, server: bool) -> list[int]:
        """The sizes of what is read into at the servers' or the clients' end of each new connection."""
        new = [each for each in _connections() if id(each) not in self.before]
        return [len(each._ssl_buffer) for each in new if each._server_side is server]  # type: ignore[attr-defined]

    def transport(self, port: int) -> HttpTransport:
        """One of ours."""
        config = ClusterConfig(f"https://127.0.0.1:{port}", ca_file=str(self.authority.pair.cert))
        return HttpTransport(config, user_agent="test")


def _connections() -> Iterator[SSLProtocol]:
    gc.collect()
    return (each for each in gc.get_objects() if isinstance(each, SSLProtocol))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def _any(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Somebody else's server: answers each request with a megabyte."""
    try:
        while request := await reader.readuntil(b"\r\n\r\n"):
            head = "HTTP/1.1 200 OK\r\n"
            if b"/stream" in request:
                writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n".encode())
            else:
                writer.write(f"{head}Content-Length: {len(LARGE)}\r\n\r\n{LARGE}".encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def test_our_clients_take_little_and_others_are_not_touched(site: Site) -> None:
    """Requests and streams; and what is larger than the buffer arrives whole."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(site.pair.cert, site.pair.key)
    server = await asyncio.start_server(_any, "127.0.0.1", 0, ssl=context)
    transport = site.transport(server.sockets[0].getsockname()[1])
    try:
        assert (await transport.send(Request("GET", "/x"), timeout=20)).body == LARGE.encode()
        async with transport.stream(Request("GET", "/stream"), idle_seconds=20) as stream, aclosing(stream.lines):
            assert await anext(stream.lines) == b"one"
            assert set(site.buffers(server=False)) == {READ_BYTES}
            assert set(site.buffers(server=True)) == {SSLProtocol.max_size}
        assert (await transport.send(Request("GET", "/x"), timeout=20)).body == LARGE.encode()
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()
    assert SSLProtocol.max_size > READ_BYTES


async def test_our_servers_take_little_from_who_says_nothing_too(site: Site) -> None:
    """A stranger who connects and does not even begin a handshake holds no more; callers are answered."""
    tls = ServerTls(metrics=Metrics())
    tls.load(site.pair.cert.read_bytes(), site.pair.key.read_bytes())

    async def route(request: object) -> object:
        from aiohttp import web

        return web.Response(text=LARGE)

    server = HttpServer("127.0.0.1:0", {"/x": route}, ssl_context=tls.context)  # type: ignore[dict-item]
    running = asyncio.create_task(server.run())
    await server.ready.wait()
    transport = site.transport(server.port)
    try:
        reader, stranger = await asyncio.open_connection("127.0.0.1", server.port)
        assert (await transport.send(Request("GET", "/x"), timeout=20)).body == LARGE.encode()
        await until(lambda: len(site.buffers(server=True)) == 2)
        assert set(site.buffers(server=True)) == {READ_BYTES}
        stranger.write(b"no TLS at all\r\n\r\n")
        await reader.read()  # it says so, and hangs up
        stranger.close()
        assert (await transport.send(Request("GET", "/x"), timeout=20)).status == 200
    finally:
        await transport.close()
        running.cancel()
        await asyncio.wait({running})
