"""Handlers that carry out what they are admitted to, on a real API server: they say so, and change nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from random import Random

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_phase
from nmstate_k8s.api.enactment import Enactment
from nmstate_k8s.api.meta import NODE_LABEL
from nmstate_k8s.core.errors import Conflict, NotFound
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import ENACTMENTS
from tests.integration.rolloutkit import Cluster


class Players:
    """One for each node of a cluster; `seconds` is the longest that one is at work."""

    def __init__(self, cluster: Cluster, nodes: list[str], seconds: float = 0.3) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._seconds = seconds
        self._random = Random(1)
        self.working: set[str] = set()
        """Those that are at work in truth, whatever the API server has of it."""
        self.most = 0
        """How many ever were, at once."""

    @asynccontextmanager
    async def playing(self) -> AsyncIterator["Players"]:
        """While the block runs."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._play(node)) for node in self._nodes]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()

    async def _play(self, node: str) -> None:
        while True:
            label = f"{NODE_LABEL}={node}"
            there = await self._cluster.client.list(ENACTMENTS, label_selector=label)
            for obj in there.items:
                await self._carry_out(node, obj)
            version = there.resource_version
            watch = self._cluster.client.watch(ENACTMENTS, resource_version=version, label_selector=label)
            async with aclosing(watch) as events:
                async for event in events:
                    if event.type in ("ADDED", "MODIFIED"):
                        break  # and look at all of them as they are now

    async def _carry_out(self, node: str, obj: Object) -> None:
        view = obj.view(Enactment)
        if view.spec is None or _ended(view):
            return
        try:
            with contextlib.suppress(NotFound, Conflict):  # it was deleted meanwhile, or is another one
                await self._cluster.report_of(obj, EnactmentPhase.PROGRESSING)
                self.working.add(node)
                self.most = max(self.most, len(self.working))
                await asyncio.sleep(self._random.random() * self._seconds)
                await self._cluster.report_of(obj, EnactmentPhase.AVAILABLE)
        finally:
            self.working.discard(node)


def _ended(view: Enactment) -> bool:
    """Whether nothing is left to do of what the node is admitted to."""
    assert view.spec is not None
    ended = (EnactmentPhase.AVAILABLE, EnactmentPhase.FAILED)
    return view.status.policy_generation == view.spec.policy_generation and (
        enactment_phase(view.status.conditions) in ended
    )
