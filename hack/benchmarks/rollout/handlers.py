"""A node's own code, without what is its host's: from the watch of its enactments to their written status."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nmstate_k8s.controllers.enactment import EnactmentReconciler, Node
from nmstate_k8s.controllers.enactmentwriter import ClientEnactmentWriter
from nmstate_k8s.controllers.nodeevents import TellingWriter, about_node
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.events import EventRecorder
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.predicates import generation_changed
from nmstate_k8s.domain.enactment.naming import node_selector
from nmstate_k8s.domain.host.executor import Executor
from nmstate_k8s.domain.host.journal import Journal
from nmstate_k8s.domain.host.probes.runner import ProbeRunner
from nmstate_k8s.domain.host.retries import Retries
from nmstate_k8s.domain.host.transaction import Transactions
from nmstate_k8s.domain.kinds import ENACTMENTS
from nmstate_k8s.testing.host import FakeHost

__all__ = ["Handler"]


class Handler:
    """The handler of one node; its host is in memory, its journal in `folder`."""

    def __init__(self, client: Client, name: str, folder: Path) -> None:
        self._informer = Informer(client, ENACTMENTS, label_selector=node_selector(name))
        self._recorder = EventRecorder(client, "nmstate-handler", name)
        told = about_node(self._recorder, name)
        executor = Executor(
            FakeHost(),
            lambda _: ProbeRunner((), clock=client.clock),
            Journal(folder / "journal", root=folder / "root"),
            clock=client.clock,
            notify=told,
        )
        reconciler = EnactmentReconciler(
            node=Node(name, "this-boot"),
            store=self._informer.store,
            writer=TellingWriter(ClientEnactmentWriter(client), told),
            transactions=Transactions(executor, clock=client.clock),
            clock=client.clock,
            retries=Retries(),
        )
        self._controller = Controller("enactment", reconciler, clock=client.clock)
        self._controller.watch(self._informer, predicate=generation_changed)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for each in (self._informer, self._recorder, self._controller):
                group.create_task(each.run())

    async def synced(self) -> None:
        """Return when it watches."""
        await self._informer.wait_for_sync()
