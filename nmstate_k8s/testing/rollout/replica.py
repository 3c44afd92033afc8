"""A controller process of a simulated cluster: the real program, killed, frozen, cut off and started anew."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

from nmstate_k8s.apps.run_controller import policies
from nmstate_k8s.apps.settings import ControllerSettings
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.rollout.apimodel import ApiModel
from nmstate_k8s.testing.rollout.link import Link
from nmstate_k8s.testing.rollout.nodes import NAMESPACE

__all__ = ["LEASE", "Replica"]

LEASE = "nmstate-controller"


class Replica:
    """A controller process, killed and started anew as often as wished."""

    def __init__(self, server: ApiModel, name: str, random: Random, *, skewed: bool) -> None:
        self._skewed = skewed
        self._server, self._name, self._random = server, name, random
        self.life = 0
        self._task: asyncio.Task[None] | None = None
        self._manager: Manager | None = None
        self.link: Link | None = None

    def start(self) -> None:
        """A process with a name of its own, as a pod has."""
        self.life += 1
        link = self.link = Link(self._server, self._random, lag=self._random.choice((0.05, 0.5, 2.0)))
        self._task = asyncio.create_task(self._run(link, f"{self._name}-{self.life}"))

    async def _run(self, link: Link, identity: str) -> None:
        settings = ControllerSettings(NAMESPACE, identity, health_address="", log_level="info", node="n0")
        clock = LoopClock()
        if self._skewed:
            clock.skew = timedelta(minutes=self._random.choice((-10, 0, 10)))
        client = Client(ClusterConfig("http://model"), clock=clock, transport=link)
        election = LeaderElection(client, LEASE, NAMESPACE, identity)
        manager = self._manager = Manager(client, leader_election=election)
        for each in policies(manager, settings):
            manager.add(each, leader_only=True)
        running = asyncio.create_task(manager.run(signals=False))
        dying = asyncio.create_task(link.cut.wait())
        try:
            await asyncio.wait({running, dying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            dying.cancel()
            running.cancel()
            await asyncio.wait({running})

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        """Politely: it gives the lease up."""
        if self._manager is not None:
            self._manager.stop()
        if self._task is not None:
            await self._task

    async def kill(self) -> None:
        """At once."""
        if self.link is not None:
            self.link.cut.set()
        if self._task is not None:
            await self._task
