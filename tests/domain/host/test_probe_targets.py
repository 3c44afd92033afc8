"""tcp and http probes against servers on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from nmstate_k8s.api.probes import HTTPProbe, TCPProbe
from nmstate_k8s.domain.host.probes.connect import HttpProbe, TcpProbe
from nmstate_k8s.domain.host.probes.race import AllFailed, first_to_succeed
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, ProbeFailed

pytestmark = pytest.mark.asyncio

Serve = Callable[[bytes], Any]


async def no_servers() -> list[str]:
    return []


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """A server on the loopback that gives one answer to whatever is asked; its port, and what it was asked."""
    servers: list[asyncio.Server] = []

    async def start(answer: bytes) -> tuple[int, list[bytes]]:
        asked: list[bytes] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                asked.append(await reader.read(4096))
                writer.write(answer)
                await writer.drain()
            except OSError:
                asked.append(b"")
            finally:
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        servers.append(server)
        return server.sockets[0].getsockname()[1], asked

    yield start
    for server in servers:
        server.close()


def http(port: int, path: str = "/", **more: Any) -> HttpProbe:
    return HttpProbe(HTTPProbe(url=f"http://127.0.0.1:{port}{path}", **more), name_servers=no_servers)


async def test_a_port_that_takes_a_connection_passes(serve: Serve) -> None:
    """Nothing needs to be said; the name says where."""
    port, _ = await serve(b"")
    probe = TcpProbe(TCPProbe(host="127.0.0.1", port=port), name_servers=no_servers)
    await probe.attempt(NO_CHANGE)
    assert probe.name == f"tcp 127.0.0.1:{port}"
    assert TcpProbe(TCPProbe(host="::1", port=22), name_servers=no_servers).name == "tcp [::1]:22"


async def test_a_port_that_refuses_fails_with_the_reason() -> None:
    """In the system's words."""
    probe = TcpProbe(TCPProbe(host="127.0.0.1", port=1), name_servers=no_servers)
    with pytest.raises(ProbeFailed, match=r"^127\.0\.0\.1 port 1: Connection refused$"):
        await probe.attempt(NO_CHANGE)


async def test_a_web_server_that_answers_passes(serve: Serve) -> None:
    """GET, with path and query, of which the name shows only the path."""
    port, asked = await serve(b"HTTP/1.1 204 No Content\r\n\r\n")
    probe = http(port, "/health?token=secret")
    await probe.attempt(NO_CHANGE)
    assert asked[0].startswith(b"GET /health?token=secret HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}".encode() in asked[0]
    assert probe.name == f"http 127.0.0.1:{port}/health"


@pytest.mark.parametrize(
    ("answer", "wanted", "said"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", None, "answers with status 503"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 401, "answers with status 200"),
        (b"SSH-2.0-OpenSSH\r\n", None, "does not answer in HTTP"),
        (b"", None, "does not answer in HTTP"),
    ],
)
async def test_another_answer_fails(serve: Serve, answer: bytes, wanted: int | None, said: str) -> None:
    """And says which."""
    port, _ = await serve(answer)
    with pytest.raises(ProbeFailed, match=said):
        await http(port, status=wanted).attempt(NO_CHANGE)


async def test_any_status_may_be_the_right_one(serve: Serve) -> None:
    """A server that wants a password is reached all the same."""
    port, _ = await serve(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
    await http(port, status=401).attempt(NO_CHANGE)


async def test_what_is_no_tls_fails(serve: Serve) -> None:
    """The text is short, and the connection is gone."""
    port, _ = await serve(b"HTTP/1.1 200 OK\r\n\r\n")
    probe = HttpProbe(HTTPProbe(url=f"https://127.0.0.1:{port}/"), name_servers=no_servers)
    with pytest.raises(ProbeFailed, match=r"127\.0\.0\.1"):
        await probe.attempt(NO_CHANGE)


@pytest.mark.parametrize("url", ["http://[:::]/", "http://[192.0.2.1]/x", "http://192.0.2.1:99999/"])
async def test_a_url_that_the_schema_lets_through_and_that_is_none_fails(url: str) -> None:
    """When it is tried: to make the probes of a plan must not fail, it may be the plan of all policies."""
    probe = HttpProbe(HTTPProbe(url=url), name_servers=no_servers)
    assert probe.name == url.replace("://", " ")
    with pytest.raises(ProbeFailed, match="the URL cannot be meant"):
        await probe.attempt(NO_CHANGE)


@pytest.mark.looptime
async def test_the_quickest_wins_and_the_others_leave_nothing() -> None:
    """Cancelled, or discarded where they were done as well."""
    discarded: list[str] = []

    async def give(what: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return what

    async def fail(why: str) -> str:
        raise OSError(why)

    tries = [fail("no"), give("a", 0), give("b", 0), give("late", 60)]
    assert await first_to_succeed(tries, OSError, discard=discarded.append) == "a"
    assert discarded == ["b"]
    with pytest.raises(AllFailed, match=r"^no; never$"):
        await first_to_succeed([fail("no"), fail("never"), fail("no")], OSError)
    with pytest.raises(OSError, match="odd"):
        await first_to_succeed([fail("odd"), give("late", 60)], ValueError)
