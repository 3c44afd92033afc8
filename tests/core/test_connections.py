"""Certificates that change under a client's feet, over real TLS; and nothing sent twice in secret."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from nmstate_k8s.core import connections
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ConfigError, ConnectionsReset, NeverSent, Unavailable
from nmstate_k8s.core.transport import HttpTransport, Request
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.pki import Authority

GET = Request("GET", "/x")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n"

pytestmark = pytest.mark.asyncio


class TlsServer:
    """Answers everything, with the certificate of the moment; counts connections and those that are open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.connections = 0
        self.open = 0
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.renew("one")
        self.trust("one")

    def renew(self, name: str) -> None:
        """Serve with a certificate of another CA; old connections go on."""
        (self.folder / name).mkdir()
        pair = Authority(self.folder / name, name).issue("server", "server", hosts=("127.0.0.1",))
        self._context.load_cert_chain(pair.cert, pair.key)

    def trust(self, name: str) -> None:
        """The file that the client knows, replaced as a kubelet does it."""
        fresh = self.folder / "fresh"
        fresh.write_bytes((self.folder / name / f"{name}.crt").read_bytes())
        fresh.rename(self.ca)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[HttpTransport]:
        """The server, and a transport to it that trusts what is in the file."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        port = server.sockets[0].getsockname()[1]
        config = ClusterConfig(f"https://127.0.0.1:{port}", ca_file=str(self.ca))
        transport = HttpTransport(config, user_agent="test")
        try:
            yield transport
        finally:
            await transport.close()
            await until(lambda: not self.open)
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                writer.write(STREAM if b"/stream" in request else OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.open -= 1


@pytest.fixture
def server(tmp_path: Path) -> TlsServer:
    """A server whose CA the client's file has."""
    return TlsServer(tmp_path)


async def send(transport: HttpTransport) -> bytes:
    """One request's answer."""
    return (await transport.send(GET, timeout=5)).body


async def test_a_rotated_ca_is_used_by_new_connections(server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a restart, and the idle connections of old are closed."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.0)
    async with server.run() as transport:
        assert await send(transport) == b"ok"
        server.renew("two")
        assert await send(transport) == b"ok"  # over the old connection
        assert server.connections == 1
        server.trust("two")
        assert await send(transport) == b"ok"
        await until(lambda: server.open == 1)
        assert server.connections == 2


async def test_a_new_certificate_before_the_new_ca_is_waited_for(server: TlsServer) -> None:
    """The error names the file; as soon as that is right, the next request works: no need to look at the clock."""
    async with server.run() as transport:
        server.renew("two")
        with pytest.raises(NeverSent, match=rf"not trusted: .*\(trusted are those of {server.ca}\)"):
            await send(transport)
        server.trust("two")
        assert await send(transport) == b"ok"


async def test_an_unchanged_file_keeps_the_connections(server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at it costs no handshake."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.0)
    async with server.run() as transport:
        for _ in range(5):
            await send(transport)
        assert server.connections == 1


async def test_a_file_that_is_half_written_changes_nothing(server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What works goes on; the file is looked at again."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.0)
    async with server.run() as transport:
        await send(transport)
        good = server.ca.read_bytes()
        server.ca.write_bytes(b"half")
        assert await send(transport) == b"ok"
        server.ca.unlink()
        assert await send(transport) == b"ok"
        server.ca.write_bytes(good)
        assert await send(transport) == b"ok"
    server.ca.unlink()
    async with server.run() as transport:
        with pytest.raises(ConfigError, match=r"ca\.crt"):
            await send(transport)


async def test_a_watch_does_not_outlive_its_ca_for_long(server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is broken off, and its reader resumes over a new connection; a watch that is new is left alone."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(connections, "RETIRED_SECONDS", 0.1)
    async with (
        server.run() as transport,
        transport.stream(Request("GET", "/stream"), idle_seconds=60) as old,
        aclosing(old.lines) as old_lines,
    ):
        await anext(old_lines)
        server.renew("two")
        server.trust("two")
        async with transport.stream(Request("GET", "/stream"), idle_seconds=0.5) as new, aclosing(new.lines) as lines:
            await anext(lines)
            with pytest.raises(ConnectionsReset):
                await anext(old_lines)
            with pytest.raises(Unavailable, match=r"no answer .* within 0\.5 s"):
                await anext(lines)


async def test_a_reset_while_certificates_are_read_is_no_crash(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool that was just read for is gone: another is made."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.0)
    async with server.run() as transport:
        await send(transport)
        asking = [asyncio.create_task(send(transport)) for _ in range(3)]
        await asyncio.sleep(0)  # they wait for the files now
        transport.reset()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(each, ConnectionsReset) for each in answers)
        assert await send(transport) == b"ok"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
async def test_a_write_is_not_sent_again_when_a_kept_connection_breaks(method: str) -> None:
    """The HTTP library would repeat PUT and DELETE by itself; the second one may delete somebody else's object."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers: list[Callable[[], None]] = [lambda: writer.write(OK)]
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                received.append(request.split()[0])
                if not answers:
                    break
                answers.pop()()
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = HttpTransport(
        ClusterConfig(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"), user_agent="test"
    )
    try:
        await transport.send(GET, timeout=5)
        with pytest.raises(Unavailable, match="closed without an answer"):
            await transport.send(Request(method, "/x", body=b""), timeout=5)
        assert received == [b"GET", method.encode()]
    finally:
        await transport.close()
        listening.close()
        await listening.wait_closed()
