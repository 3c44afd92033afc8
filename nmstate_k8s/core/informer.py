"""A kind kept in memory, and everybody told of its changes.

* Handlers get what was and what is, in the order in which it happened to each object; an object that was
  deleted and made anew under the same name in a gap is told as a deletion and a creation.
* The store is in step before a handler is called. Handlers are plain functions and must be quick; one that
  raises is logged and does not hurt the others.
* A handler added late is first told of everything that is there, as `initial`.
* Objects are trimmed before they are stored (managedFields, unless told otherwise).
* Lists are read in pages, unless `streaming_list`: then the watch brings them, where the server can.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Key, Object, ObjectList, Resource, Trim, drop_managed_fields
from nmstate_k8s.core.reflector import Reflector
from nmstate_k8s.core.selectors import matches_labels
from nmstate_k8s.core.store import Indexer, MutableStore, Store
from nmstate_k8s.core.watching import WatchEvent

__all__ = ["Event", "Handler", "Informer"]

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Event(NamedTuple):
    """A change of one object. `old` is None: created; `new` is None: deleted."""

    old: Object | None
    new: Object | None
    initial: bool = False
    """Not news: it was there when we, or the handler, came."""

    @property
    def object(self) -> Object:
        """The newest there is of it."""
        found = self.new if self.new is not None else self.old
        if found is None:
            raise ValueError("an event without any object")
        return found

    @property
    def key(self) -> Key:
        """Whom it is about."""
        return self.object.key


Handler = Callable[[Event], None]


class Informer:
    """One kind, one selection, one store, any number of handlers."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        trim: Trim | None = drop_managed_fields,
        indexers: Mapping[str, Indexer] | None = None,
        streaming_list: bool = False,
    ) -> None:
        self.resource = resource
        self._store = MutableStore(indexers)
        self._trim = trim
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._client = client
        self._reflector: Reflector | None = None
        self._version = 0
        self._lists_begun = 0
        self._lists = 0
        self._replaced = asyncio.Event()
        self._streaming_list = streaming_list
        self._selectors = {
            "namespace": namespace,
            "label_selector": label_selector,
            "field_selector": field_selector,
        }

    @property
    def store(self) -> Store:
        """The objects, to be read."""
        return self._store

    @property
    def synced(self) -> bool:
        """Whether the first list is in the store and the handlers know of it."""
        return self._synced.is_set()

    @property
    def version(self) -> int:
        """The newest version of the kind that the store is known to be no older than; 0 if there is none yet."""
        return self._version

    @property
    def lists_begun(self) -> int:
        """How many lists were begun; `lists` tells which of them was the last one to come through."""
        return self._lists_begun

    @property
    def lists(self) -> int:
        """The number of the list that the store is of; what the server had when that was begun is in the store."""
        return self._lists

    def may_hold(self, resource: Resource, key: Key, labels: Mapping[str, str]) -> bool:
        """Whether an object with that name and these labels may be, or may have been, one of ours."""
        mine = self.resource
        if (mine.group, mine.plural) != (resource.group, resource.plural):
            return False
        if self._selectors["namespace"] not in ("", key.namespace):
            return False
        return key in self._store or matches_labels(self._selectors["label_selector"], labels)

    def relist(self) -> None:
        """List anew, although the watch may seem to be well. Does nothing while `run` does not run."""
        if self._reflector is not None:
            self._reflector.relist()

    async def renew(self) -> None:
        """List anew, and return when the store is of a list that was begun after this call.

        For who must not act on what was so some time ago. Takes as long as the server is away; needs `run` to run.
        """
        wanted = self._lists_begun + 1
        while self._lists < wanted:
            replaced = self._replaced
            self.relist()  # once more each time: one that was under way when it was asked for is not the one
            await replaced.wait()

    async def wait_for_sync(self) -> None:
        """Return when `synced`."""
        await self._synced.wait()

    def add_handler(self, handler: Handler) -> None:
        """Tell `handler` of what is there and of all that will happen."""
        self._handlers.append(handler)
        for obj in self._store.list():
            self._call(handler, Event(None, obj, initial=True))

    def add_index(self, name: str, indexer: Indexer) -> None:
        """A further index of the store.

        :raises ValueError: if the name is taken.
        """
        self._store.add_index(name, indexer)

    async def run(self) -> None:
        """Follow the server until cancelled. May be run again later; it then lists anew."""
        self._reflector = Reflector(
            self._client, self.resource, self, streaming_list=self._streaming_list, **self._selectors
        )
        try:
            await self._reflector.run()
        finally:
            self._reflector = None

    def listing(self) -> None:
        """The reflector's: a list begins."""
        self._lists_begun += 1

    def came_to(self, version: str) -> None:
        """The reflector's: whatever happened up to that version has been told."""
        self._version = int(version) if version.isdigit() else 0

    def replace(self, objects: ObjectList) -> None:
        """The reflector's: this is all there is, trimmed."""
        fresh = {obj.key: obj for obj in objects.items}  # raises, if at all, before anything is changed
        events: list[Event] = []
        before = self._version
        self.came_to(objects.resource_version)
        # A server that was set back gives its versions out a second time, for something else.
        unique = self._version >= before
        self._lists = self._lists_begun
        for key in tuple(self._store):
            if key not in fresh:
                events.append(Event(self._store.remove(key), None))
        for obj in fresh.values():
            events += self._put(obj, versions_are_unique=unique)
        initial = not self._synced.is_set()
        for event in events:
            self._tell(event._replace(initial=initial))
        replaced, self._replaced = self._replaced, asyncio.Event()
        replaced.set()
        if initial:
            self._synced.set()
            log.debug("cache is in step", resource=self.resource.plural, objects=len(self._store))

    def apply(self, event: WatchEvent) -> None:
        """The reflector's: this happened."""
        self.came_to(event.object.metadata.resource_version)
        obj = self.trimmed(event.object)
        if event.type == "DELETED":
            old = self._store.remove(obj.key)
            # The last state that the server had is the better account of what went.
            events = [Event(obj, None)] if old is not None else []
        else:
            events = self._put(obj)
        for each in events:
            self._tell(each)

    def _put(self, obj: Object, *, versions_are_unique: bool = True) -> list[Event]:
        old = self._store.get(obj.key)
        if old is not None and (old == obj or (versions_are_unique and _version(old) == _version(obj))):
            return []  # the one that was told stays, with what was decoded of it
        self._store.put(obj)
        if old is None:
            return [Event(None, obj)]
        if old.uid != obj.uid:
            return [Event(old, None), Event(None, obj)]
        return [Event(old, obj)]

    def trimmed(self, obj: Object) -> Object:
        """The reflector's: what is to be kept of an object of a list."""
        if self._trim is None:
            return obj
        try:
            return self._trim(obj)
        except Exception:  # somebody's function; its bug must not stop the mirror
            log.exception("trim failed, keeping the whole object", resource=self.resource.plural)
            return obj

    def _tell(self, event: Event) -> None:
        for handler in self._handlers:
            self._call(handler, event)

    def _call(self, handler: Handler, event: Event) -> None:
        try:
            handler(event)
        except Exception:  # one handler's bug must not keep events from the others
            log.exception(
                "handler failed, the event is lost to it",
                resource=self.resource.plural,
                object=str(event.key),
                handler=getattr(handler, "__qualname__", repr(handler)),
            )


def _version(obj: Object) -> tuple[str, str]:
    """Which object it is, and as of when."""
    return obj.uid, obj.metadata.resource_version
