"""The checker as one more client of a real cluster: it looks on beside a test, and says in the end what was broken.

    async with watching(client) as watcher: ...           # in a test with an event loop
    with watching_beside(config) as watcher: ...          # in any other: from a thread of its own

* Everything is kept as it comes and judged at the end, in the order of the versions, whichever kind they are of.
* What was there before, and what a list brings that had to be made anew (the watch's version was history), is how it
  is and not judged: what led to it was not seen.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from nmstate_k8s.api.meta import HANDLER_SELECTOR
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.objects import Key, Object, ObjectList, Resource
from nmstate_k8s.core.reflector import Reflector
from nmstate_k8s.core.watching import WatchEvent
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, NODES, PODS, POLICIES
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.rollout.checker import Checker, Violation

__all__ = ["RolloutWatcher", "watching", "watching_beside"]

LAG: Final = 15.0
"""How old the news may be that a controller acts on, in seconds: as long as one that is cut off may lead on."""
PATIENCE: Final = 60.0
"""Seconds in which the last changes have come."""
WATCHED: Final = {NODES: "", PODS: HANDLER_SELECTOR, NMSTATES: "", POLICIES: "", ENACTMENTS: ""}
"""Label selectors by kind."""


@dataclass(frozen=True)
class _Seen:
    """Something that happened."""

    version: int
    kind: str
    what: str
    object: Object
    at: float
    judged: bool


class _Mirror:
    """What a reflector tells of one kind, written down."""

    def __init__(self, resource: Resource, diary: list[_Seen]) -> None:
        self.resource = resource
        self.listed = asyncio.Event()
        self.first = 0
        """The version of the first list."""
        self._diary = diary
        self._known: dict[Key, Object] = {}

    def trimmed(self, obj: Object) -> Object:
        """As it is: it is written down, and read once."""
        return obj

    def listing(self) -> None:
        """A list begins: nothing to do."""

    def came_to(self, version: str) -> None:
        """A bookmark: nothing to do."""

    def replace(self, objects: ObjectList) -> None:
        """This is all there is."""
        version = int(objects.resource_version)
        there = {obj.key: obj for obj in objects.items}
        for key in self._known.keys() - there.keys():
            self._note("DELETED", self._known[key], version, judged=False)
        for obj in there.values():
            self._note("MODIFIED", obj, _version(obj), judged=False)
        self.first = self.first or version
        self.listed.set()

    def apply(self, event: WatchEvent) -> None:
        """This happened."""
        self._note(event.type, event.object, _version(event.object), judged=True)

    def has_come_to(self, objects: ObjectList) -> bool:
        """Whether all of these are written down."""
        return all(obj.key in self._known and _version(self._known[obj.key]) >= _version(obj) for obj in objects.items)

    def _note(self, what: str, obj: Object, version: int, *, judged: bool) -> None:
        known = self._known.get(obj.key)
        if what == "DELETED":
            self._known.pop(obj.key, None)
        elif known is not None and _version(known) == version:
            return
        else:
            self._known[obj.key] = obj
        at = asyncio.get_running_loop().time()
        self._diary.append(_Seen(version, self.resource.kind, what, obj, at, judged))


class RolloutWatcher:
    """`run` it beside a test; then `violations` are the promises that were broken."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._diary: list[_Seen] = []
        self._mirrors = [_Mirror(each, self._diary) for each in WATCHED]

    async def run(self) -> None:
        """Look on until cancelled."""
        async with asyncio.TaskGroup() as group:
            for mirror in self._mirrors:
                selector = WATCHED[mirror.resource]
                group.create_task(Reflector(self._client, mirror.resource, mirror, label_selector=selector).run())

    async def begun(self) -> None:
        """Return when all that happens from now on is seen."""
        for mirror in self._mirrors:
            await mirror.listed.wait()

    async def has_seen_all(self) -> None:
        """Return when what there is now is written down.

        :raises TimeoutError: if it does not come.
        """
        for mirror in self._mirrors:
            there = await self._client.list(mirror.resource, label_selector=WATCHED[mirror.resource])
            await until(lambda mirror=mirror, there=there: mirror.has_come_to(there), PATIENCE)  # type: ignore[misc]

    def judged(self) -> Checker:
        """The whole history, before the checker."""
        checker = Checker(lag=LAG)
        seen_from = max(mirror.first for mirror in self._mirrors)
        now = 0.0
        for each in sorted(self._diary, key=lambda each: each.version):
            now = max(now, each.at)
            judge = each.judged and each.version > seen_from
            checker.see(each.kind, each.what, each.object.to_dict(), now, judge=judge)
        return checker

    @property
    def violations(self) -> list[Violation]:
        """What was broken."""
        return self.judged().violations


@asynccontextmanager
async def watching(client: Client) -> AsyncIterator[RolloutWatcher]:
    """Look on while the block runs.

    :raises AssertionError: at its end, if a promise was broken.
    """
    watcher = RolloutWatcher(client)
    running = asyncio.create_task(watcher.run())
    try:
        await watcher.begun()
        yield watcher
        await watcher.has_seen_all()
    finally:
        running.cancel()
        await asyncio.wait({running})
    _tell(watcher)


@contextmanager
def watching_beside(config: ClusterConfig) -> Iterator[RolloutWatcher]:
    """Look on from a thread of its own while the block runs.

    :raises AssertionError: at its end, if a promise was broken; or with what ended the thread.
    """
    begun, ended = threading.Event(), threading.Event()
    watchers: list[RolloutWatcher] = []
    failed: list[BaseException] = []

    async def look_on() -> None:
        async with Client(config) as client:
            watcher = RolloutWatcher(client)
            watchers.append(watcher)
            running = asyncio.create_task(watcher.run())
            await watcher.begun()
            begun.set()
            await asyncio.to_thread(ended.wait)
            await watcher.has_seen_all()
            running.cancel()
            await asyncio.wait({running})

    def in_thread() -> None:
        try:
            asyncio.run(look_on())
        except BaseException as error:  # noqa: BLE001 - raised where the block is
            failed.append(error)
        finally:
            begun.set()

    thread = threading.Thread(target=in_thread, name="rollout-watcher")
    thread.start()
    try:
        begun.wait()
        if failed:
            raise AssertionError("the watcher could not begin") from failed[0]
        yield watchers[0]
    finally:
        ended.set()
        thread.join()
    if failed:
        raise AssertionError("the watcher could not look on to the end") from failed[0]
    _tell(watchers[0])


def _version(obj: Object) -> int:
    return int(obj.metadata.resource_version)


def _tell(watcher: RolloutWatcher) -> None:
    broken = watcher.violations
    if broken:
        raise AssertionError("the rollout broke its promises:\n" + "\n".join(map(str, broken)))
