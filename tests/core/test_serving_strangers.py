"""A server that strangers can reach: they do not keep others out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from nmstate_k8s.core.doorkeeper import Doorkeeper
from nmstate_k8s.core.serving import HttpServer, metrics_routes

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def serving(doorkeeper: Doorkeeper | None) -> AsyncIterator[int]:
    """A server of metrics; its port."""
    server = HttpServer("127.0.0.1:0", metrics_routes(CollectorRegistry()), doorkeeper=doorkeeper)
    running = asyncio.create_task(server.run())
    try:
        await server.ready.wait()
        yield server.port
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def scraped(port: int) -> int:
    """The status of a scrape."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        return answer.status


async def test_connections_that_say_nothing_make_room() -> None:
    """The longest idle one is closed when more come than are allowed."""
    async with serving(Doorkeeper(most=3)) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await scraped(port) == 200
        assert await silent[0][0].read() == b""
        for _, writer in silent:
            writer.close()


async def test_one_that_speaks_too_slowly_is_closed() -> None:
    """Whoever sends a head byte by byte does not keep its place."""
    async with serving(Doorkeeper(head_seconds=0.1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n")
        assert await reader.read() == b""
        writer.close()
        assert await scraped(port) == 200


async def test_without_a_doorkeeper_all_may_stay() -> None:
    """The kubelet's health checks, say, on a port of the node itself."""
    async with serving(None) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        assert await scraped(port) == 200
        assert not any(reader.at_eof() for reader, _ in silent)
        for _, writer in silent:
            writer.close()
