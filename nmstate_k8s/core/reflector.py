"""One kind of the API server, mirrored: list, watch, resume, and list again only when there is no other way.

* A list is read in pages, or streamed if wished for (`streamedlist`): the watch begins with it. The first streaming
  list that does not come whole is the last one: pages from then on.
* After the first list, whatever happens on the server reaches the sink, in order for each object; deletions
  that fell into a gap are found by comparing the new list with what the sink has.
* An interrupted watch resumes from the last version seen (bookmarks move it on quietly). Only an expired
  version (410 in any form) or one from the server's future (restored backup) makes it list anew.
* After a connection broke, or a watch said nothing for longer than bookmarks take, the server is asked whether it
  has come as far as we have: one that was set back would accept our watch and be silent for ever.
* Failures are answered with waits that double from 0.5 s to 30 s with jitter; ten healthy seconds of a watch
  reset them. A server that accepts watches and ends them at once is a failure too: no busy loop.
* `Client.reset_connections` makes it resume at once; `relist` makes it list anew, however well the watch is.
* `run` ends by cancellation only.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final, NoReturn, Protocol

import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import (
    ApiError,
    ConnectionsReset,
    CoreError,
    Expired,
    Invalid,
    NotFound,
    Silent,
    Throttled,
    Unavailable,
)
from nmstate_k8s.core.objects import Object, ObjectList, Resource
from nmstate_k8s.core.ratelimit import Backoff
from nmstate_k8s.core.retry import RetryPolicy
from nmstate_k8s.core.streamedlist import NotStreamed, streamed_list
from nmstate_k8s.core.watching import WatchEvent

__all__ = ["Reflector", "Sink"]

HEALTHY_SECONDS: Final = 10.0
SHORT_SECONDS: Final = 1.0
LIST_RETRY: Final = RetryPolicy(attempts=2)

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Sink(Protocol):
    """Where the mirror image goes."""

    def listing(self) -> None:
        """A list begins."""

    def trimmed(self, obj: Object) -> Object:
        """What is to be kept of an object of a list."""

    def replace(self, objects: ObjectList) -> None:
        """This is all there is, trimmed."""

    def apply(self, event: WatchEvent) -> None:
        """This happened. Bookmarks do not come here."""

    def came_to(self, version: str) -> None:
        """A bookmark: whatever happened up to that version has been told."""


class Reflector:
    """Keeps a sink in step with the server."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        sink: Sink,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        streaming_list: bool = False,
    ) -> None:
        self._client = client
        self._resource = resource
        self._sink = sink
        self._namespace = namespace
        self._labels = label_selector
        self._fields = field_selector
        self._version = ""
        self._streaming = streaming_list
        """Whether to ask for a streaming list: wished for, and the server has not shown that it has none."""
        self._just_listed = False
        self._set_back = False
        """Whether the server may have been, since we last heard of it."""
        self._doubted: asyncio.Timeout | None = None
        self._backoff = Backoff()
        self._log = log.bind(resource=resource.plural)

    async def run(self) -> NoReturn:
        """Mirror until cancelled."""
        while True:
            try:
                await self._find_a_beginning()
                await self._watch_until_doubted()
            except ConnectionsReset:
                self._log.info("connections were reset, resuming", version=self._version)
            except Silent:
                self._set_back = True
                self._log.debug("the watch was silent, asking anew", version=self._version)
            except NotStreamed as error:
                self._streaming = False
                self._log.info("no streaming list here, reading pages", error=str(error))
            except CoreError as error:
                await self._recover(error)

    def relist(self) -> None:
        """Give the watch up and list anew."""
        self._version = ""
        if self._doubted is not None and not self._doubted.expired():
            self._doubted.reschedule(asyncio.get_running_loop().time())

    async def _find_a_beginning(self) -> None:
        """There is a version that a watch can go on from, ours if the server has come to it; or the watch will list."""
        if self._version and self._set_back:
            await self._client.has_come_to(self._resource, self._version, self._namespace, self._labels, self._fields)
        if not self._version:  # as it was, or `relist` was asked for meanwhile
            self._sink.listing()
            if not self._streaming:
                await self._list()
        self._set_back = False

    async def _watch_until_doubted(self) -> None:
        """Ends as the watch does, or when `relist` was asked for."""
        doubted = self._doubted = asyncio.timeout(None)
        try:
            async with doubted:
                await self._watch()
        except TimeoutError:
            if not doubted.expired():
                raise
            self._version = ""
        finally:
            self._doubted = None

    async def _list(self) -> None:
        objects = await self._client.list(
            self._resource,
            self._namespace,
            self._labels,
            self._fields,
            trim=self._sink.trimmed,
            retry=LIST_RETRY,
        )
        self._listed(objects)

    def _listed(self, objects: ObjectList) -> None:
        self._sink.replace(objects)
        self._version = objects.resource_version
        self._just_listed = True

    async def _watch(self) -> None:
        events = self._client.watch(
            self._resource,
            self._namespace,
            resource_version=self._version,
            label_selector=self._labels,
            field_selector=self._fields,
        )
        async with aclosing(events):
            if not self._version:
                self._listed(await streamed_list(events, self._sink.trimmed))
            await self._follow(events)

    async def _follow(self, events: AsyncIterator[WatchEvent]) -> None:
        clock = self._client.clock
        started = clock.monotonic()
        try:
            async for event in events:
                version = event.object.metadata.resource_version
                if event.type == "BOOKMARK":
                    self._sink.came_to(version)
                else:
                    self._sink.apply(event)
                self._version = version
                self._just_listed = False
        finally:
            lasted = clock.monotonic() - started
            if lasted >= HEALTHY_SECONDS:
                self._backoff.reset()
        if lasted < SHORT_SECONDS:
            delay = self._backoff.next()
            self._log.info("the server ended the watch at once", retry_in=round(delay, 1))
            await self._client.pause(delay)

    async def _recover(self, error: CoreError) -> None:
        watched = bool(self._version)
        relist = isinstance(error, Expired) or (isinstance(error, ApiError) and error.too_large_resource_version)
        if relist or not isinstance(error, ApiError) or isinstance(error, NotFound | Invalid):
            self._version = ""  # what was asked for makes no sense there, or not any more
        self._set_back = self._set_back or isinstance(error, Unavailable)
        in_vain, self._just_listed = self._just_listed, False
        if relist and watched and not in_vain:
            # History is gone, nothing is wrong: list now. Should that fail or not help, wait like everybody.
            self._log.info("version expired, listing anew", error=str(error))
            return
        delay = self._backoff.next()
        if isinstance(error, Throttled) and error.retry_after is not None:
            delay = max(delay, error.retry_after)
        self._log.warning("cannot follow the server, will retry", error=str(error), retry_in=round(delay, 1))
        await self._client.pause(delay)
