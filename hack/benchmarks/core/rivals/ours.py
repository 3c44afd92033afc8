"""The benchmark's controller on nmstate_k8s.core."""

import argparse
import asyncio
import logging
import sys
import time

import structlog
from common import Tally, Thing, read_options

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller, Result
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Key, Resource

THINGS = Resource("bench.example.com", "v1", "things", "Thing")


class Follower:
    """Makes `status.observed` what `spec.version` is."""

    def __init__(self, manager: Manager, tally: Tally) -> None:
        self._client = manager.client
        self._store = manager.informer(THINGS).store
        self._tally = tally

    async def reconcile(self, key: Key) -> Result | None:
        now = time.time_ns()
        found = self._store.get(key)
        if found is None:
            return None
        thing = found.view(Thing)
        self._tally.reconciling(key.name, thing, now)
        if thing.spec.version != thing.status.observed:
            body = {"status": {"observed": thing.spec.version}}
            await self._client.merge_patch(THINGS, key.name, body, subresource="status")
            self._tally.patched()
        return None


async def main(options: argparse.Namespace, config: ClusterConfig) -> None:
    async with Client(config) as client:
        manager = Manager(client)
        controller = Controller("thing", Follower(manager, Tally(options)), workers=options.workers)
        controller.watch(manager.informer(THINGS))
        manager.add(controller)
        asyncio.get_running_loop().add_reader(sys.stdin, lambda: sys.stdin.buffer.read1(1) or manager.stop())
        await manager.run()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(*read_options()))
