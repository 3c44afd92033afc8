"""A write that must not be sent any more is not: over a real socket, up to the last moment."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import NotLeader
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Resource

NODES = Resource("", "v1", "nodes", "Node")
BODY = b'{"metadata": {"name": "a", "resourceVersion": "1"}}'

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def server() -> AsyncIterator[tuple[Client, list[bytes]]]:
    """A client of a server that answers everything, and the bytes that came to that."""
    received: list[bytes] = []
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            received.append(data)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(serve(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with Client(ClusterConfig(f"http://127.0.0.1:{port}"), metrics=Metrics()) as client:
            yield client, received
    finally:
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        listening.close()
        await listening.wait_closed()


def refuse() -> None:
    """We do not lead."""
    raise NotLeader("somebody else may lead now")


def refuse_from(call: int) -> Callable[[], None]:
    """We lead until we are asked for the nth time."""
    calls = [0]

    def fence() -> None:
        calls[0] += 1
        if calls[0] >= call:
            refuse()

    return fence


async def test_a_fenced_write_is_refused_and_a_read_is_not() -> None:
    """Nothing of the write reaches the server; the client that was fenced goes on as before."""
    async with server() as (client, received):
        fenced = client.fenced(refuse)
        for write in (
            fenced.apply(NODES, {"metadata": {"name": "a"}}, field_manager="t"),
            fenced.merge_patch(NODES, "a", {}),
            fenced.create(NODES, {"metadata": {"name": "a"}}),
            fenced.delete(NODES, "a"),
            fenced.request("POST", "/x"),
        ):
            with pytest.raises(NotLeader):
                await write
        assert received == []
        assert (await fenced.get(NODES, "a")).name == "a"
        assert (await client.merge_patch(NODES, "a", {})).name == "a"
        assert (
            client.metrics.registry.get_sample_value(
                "rest_client_requests_total", {"code": "<error>", "method": "PATCH", "host": client.config.server[7:]}
            )
            is None
        )


@pytest.mark.parametrize("warm", [True, False])
async def test_a_leader_that_loses_the_lease_while_it_connects_sends_nothing(warm: bool) -> None:
    """The last question is asked when the connection is there and only the bytes are missing."""
    async with server() as (client, received):
        if warm:
            await client.get(NODES, "a")
            received.clear()
        with pytest.raises(NotLeader):
            await client.fenced(refuse_from(2)).merge_patch(NODES, "a", {"x": "y"})
        await asyncio.sleep(0)
        assert b"PATCH" not in b"".join(received)
        assert (await client.get(NODES, "a")).name == "a"


async def test_a_fenced_write_of_a_leader_goes_through() -> None:
    """With its body."""
    async with server() as (client, received):
        assert (await client.fenced(lambda: None).merge_patch(NODES, "a", {"x": "y"})).name == "a"
        assert b"".join(received).endswith(b'{"x":"y"}')


async def test_resetting_the_connections_ends_the_pauses_of_a_fenced_client() -> None:
    """Both share everything but the fence."""
    async with server() as (client, _):
        pause = asyncio.create_task(client.fenced(refuse).pause(1000))
        await asyncio.sleep(0)
        client.reset_connections()
        await asyncio.wait_for(pause, 5)


async def test_a_manager_that_does_not_lead_gives_its_controllers_a_client_that_does_not_write() -> None:
    """One without an election leads always; what every replica may write is not fenced."""
    async with server() as (client, received):
        election = LeaderElection(client, "lease", "n", "a", metrics=Metrics())
        manager = Manager(client, leader_election=election, metrics=Metrics())
        with pytest.raises(NotLeader):
            await manager.leader_client.merge_patch(NODES, "a", {})
        assert received == []
        await manager.client.merge_patch(NODES, "a", {})
        await Manager(client, metrics=Metrics()).leader_client.merge_patch(NODES, "a", {})
        assert len(received) == 2
