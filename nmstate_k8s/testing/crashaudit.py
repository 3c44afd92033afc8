"""Who looks on while a process dies and comes back: what there is, and how often each thing was made and unmade.

Its own client and its own informers, which miss no deletion (`core.informer`). It knows nothing of the process.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.testing.sameness import without_chance

__all__ = ["Audit", "Seen", "Watched"]

QUIET_SECONDS: Final = 0.3
"""So long nothing may have happened for the world to be at rest."""
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Watched:
    """Objects that are compared."""

    resource: Resource
    namespace: str = ""
    label_selector: str = ""
    plain: Callable[[Object], Object] = lambda obj: obj
    """The object as it is compared, without what is chance in this kind alone."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The end of a run."""

    state: dict[str, Any]
    counts: dict[str, int]
    """How often each object was created and deleted."""


class Audit:
    """Use `run`."""

    def __init__(self, client: Client, watched: Sequence[Watched]) -> None:
        self._client = client
        self._watched = watched
        self.manager = Manager(client)
        self._informers = [self._follow(each) for each in watched]
        self._counts: Counter[str] = Counter()
        self._heard_at = 0.0

    @classmethod
    @asynccontextmanager
    async def run(cls, config: ClusterConfig, watched: Sequence[Watched]) -> AsyncIterator[Self]:
        """Look on until the block ends."""
        async with Client(config, user_agent="audit") as client:
            audit = cls(client, watched)
            running = asyncio.create_task(audit.manager.run(signals=False))
            try:
                for informer in audit._informers:
                    await informer.wait_for_sync()
                yield audit
            finally:
                audit.manager.stop()
                await running

    async def at_rest(self) -> Seen:
        """What there is, when nothing has happened for a while and we know of all that has."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if loop.time() < self._heard_at + QUIET_SECONDS:
                continue
            heard, there = self._heard_at, await self._list()
            if heard == self._heard_at and self._knows([obj for _, obj in there]):
                return Seen(without_chance(each.plain(obj) for each, obj in there), dict(self._counts))

    def _follow(self, watched: Watched) -> Informer:
        informer = self.manager.informer(
            watched.resource, namespace=watched.namespace, label_selector=watched.label_selector
        )
        informer.add_handler(self._hear)
        return informer

    def _hear(self, event: Event) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        name = f"{event.object.kind} {event.key}"
        if event.old is None and not event.initial:
            self._counts[f"{name} created"] += 1
        if event.new is None:
            self._counts[f"{name} deleted"] += 1

    async def _list(self) -> list[tuple[Watched, Object]]:
        return [
            (each, item)
            for each in self._watched
            for item in (await self._client.list(each.resource, each.namespace, each.label_selector)).items
        ]

    def _knows(self, there: Sequence[Object]) -> bool:
        known = {(obj.uid, obj.metadata.resource_version) for each in self._informers for obj in each.store.list()}
        return known == {(obj.uid, obj.metadata.resource_version) for obj in there}
