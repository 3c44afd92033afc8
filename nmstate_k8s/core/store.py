"""The last known state of a kind: read by all, written by its informer only.

* A read never waits and never copies an object: objects do not change.
* An index maps a value (a label, an owner, a node's name) to objects; it is always in step with the store.
* A store may be behind the server, never mixed: each object in it is one that the server had.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import structlog

from nmstate_k8s.core.objects import Key, Object

__all__ = ["Indexer", "MutableStore", "Store"]

Indexer = Callable[[Object], Iterable[str]]
"""The values under which an object is found. A pure function of the object."""

_Objects = list[Object]

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class _Index:
    def __init__(self, name: str, indexer: Indexer) -> None:
        self._name = name
        self._indexer = indexer
        self._values: dict[Key, tuple[str, ...]] = {}
        self.keys: dict[str, dict[Key, None]] = {}

    def put(self, key: Key, obj: Object) -> None:
        try:
            values = tuple(self._indexer(obj))
        except Exception:  # somebody's function; its bug must not cost the whole cache
            log.exception("indexer failed, the object is not in the index", index=self._name, object=str(key))
            values = ()
        if values != self._values.get(key, ()):
            self.remove(key)
            for value in values:
                self.keys.setdefault(value, {})[key] = None
            if values:
                self._values[key] = values

    def remove(self, key: Key) -> None:
        for value in self._values.pop(key, ()):
            keys = self.keys[value]
            keys.pop(key, None)
            if not keys:
                del self.keys[value]


class Store:
    """Objects by key and by index, to be read."""

    def __init__(self, indexers: Mapping[str, Indexer] | None = None) -> None:
        self._objects: dict[Key, Object] = {}
        self._indexes = {name: _Index(name, indexer) for name, indexer in (indexers or {}).items()}

    def get(self, key: Key) -> Object | None:
        """The object, if there is one."""
        return self._objects.get(key)

    def list(self) -> _Objects:
        """All objects."""
        return list(self._objects.values())

    def keys(self) -> tuple[Key, ...]:
        """All keys."""
        return tuple(self._objects)

    def by_index(self, name: str, value: str) -> _Objects:
        """The objects that the index has under `value`.

        :raises KeyError: if there is no such index.
        """
        return [self._objects[key] for key in self._indexes[name].keys.get(value, ())]

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def __iter__(self) -> Iterator[Key]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)


class MutableStore(Store):
    """The writer's side."""

    def put(self, obj: Object) -> Object | None:
        """Add or replace; what was there before."""
        key = obj.key
        old = self._objects.get(key)
        self._objects[key] = obj
        for index in self._indexes.values():
            index.put(key, obj)
        return old

    def remove(self, key: Key) -> Object | None:
        """What was there, if anything."""
        old = self._objects.pop(key, None)
        if old is not None:
            for index in self._indexes.values():
                index.remove(key)
        return old

    def add_index(self, name: str, indexer: Indexer) -> None:
        """A further index, over what is there and what will be.

        :raises ValueError: if the name is taken.
        """
        if name in self._indexes:
            raise ValueError(f"there is an index {name!r} already")
        index = self._indexes[name] = _Index(name, indexer)
        for key, obj in self._objects.items():
            index.put(key, obj)
