"""The benchmark's controller on nothing but an HTTP library: what no controller on that can beat.

It lists, watches and patches as the others do. It keeps nothing, survives nothing and orders nothing.
"""

import argparse
import asyncio
import sys
import time
from typing import Any

import aiohttp
import msgspec
from common import Tally, Thing, read_options

from nmstate_k8s.core.config import ClusterConfig

THINGS = "/apis/bench.example.com/v1/things"
PAGE = "500"


class Named(Thing, frozen=True):
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Page(msgspec.Struct):
    metadata: dict[str, Any]
    items: list[Named]


class Line(msgspec.Struct):
    object: Named


page_of = msgspec.json.Decoder(Page).decode
line_of = msgspec.json.Decoder(Line).decode


class Bare:
    """A list, a watch, and so many who patch."""

    def __init__(self, session: aiohttp.ClientSession, tally: Tally) -> None:
        self._session = session
        self._tally = tally
        self._work: asyncio.Queue[Named] = asyncio.Queue()

    async def run(self, workers: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._patch())
            await self._watch(await self._list())

    async def _list(self) -> str:
        query = {"limit": PAGE}
        while True:
            async with self._session.get(THINGS, params=query) as response:
                page = page_of(await response.read())
            for thing in page.items:
                self._look(thing)
            if not page.metadata.get("continue"):
                return str(page.metadata["resourceVersion"])
            query["continue"] = page.metadata["continue"]

    async def _watch(self, version: str) -> None:
        query = {"watch": "true", "resourceVersion": version}
        async with self._session.get(THINGS, params=query) as response:
            async for line in response.content:
                self._look(line_of(line).object)

    def _look(self, thing: Named) -> None:
        self._tally.reconciling(thing.metadata["name"], thing, time.time_ns())
        if thing.spec.version != thing.status.observed:
            self._work.put_nowait(thing)

    async def _patch(self) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        while True:
            thing = await self._work.get()
            body = msgspec.json.encode({"status": {"observed": thing.spec.version}})
            url = f"{THINGS}/{thing.metadata['name']}/status"
            async with self._session.patch(url, data=body, headers=headers) as response:
                response.raise_for_status()
                await response.read()
            self._tally.patched()


async def main(options: argparse.Namespace, config: ClusterConfig) -> None:
    connector = aiohttp.TCPConnector(ssl=config.ssl_context() or True, limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        config.server, connector=connector, timeout=timeout, headers={"Accept-Encoding": "identity"}
    ) as session:
        work = asyncio.create_task(Bare(session, Tally(options)).run(options.workers))
        asyncio.get_running_loop().add_reader(sys.stdin, lambda: sys.stdin.buffer.read1(1) or work.cancel())
        await asyncio.wait({work})
        if not work.cancelled():
            work.result()


if __name__ == "__main__":
    asyncio.run(main(*read_options()))
