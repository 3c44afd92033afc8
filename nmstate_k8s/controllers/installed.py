"""What is installed, as the caches tell it: each kind in its place, and kinds that come to be served later.

A kind is followed from the moment that something of it may have to be installed. Until its first list is there
nothing is said about it, so that what is there already is not taken for missing.
"""

from __future__ import annotations

__all__ = ["FOREGROUND", "Followed", "Installed"]

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from nmstate_k8s.core.objects import Key, Object, Resource
from nmstate_k8s.core.store import Store
from nmstate_k8s.domain.install.foreign import is_owned
from nmstate_k8s.domain.install.stack import Manifest
from nmstate_k8s.domain.kinds import NMSTATES

FOREGROUND: Final = "foregroundDeletion"
"""The finalizer of what is deleted after all that it owns."""

Place = tuple[Resource, str]
"""A kind, and the namespace in which it is installed (empty: none)."""


class Followed(Protocol):
    """A kind kept in memory (`nmstate_k8s.core.informer.Informer`)."""

    @property
    def store(self) -> Store:
        """The objects."""

    @property
    def synced(self) -> bool:
        """Whether all that there were are in the store."""


class Installed:
    """All objects that bear our label, of the kinds that we install."""

    def __init__(self, follow: Callable[[Resource, str], Followed]) -> None:
        """`follow` begins to follow a kind in a namespace; it is called once for each."""
        self._follow = follow
        self._places: dict[Place, Followed] = {}

    def follow(self, places: Iterable[Place]) -> frozenset[Resource]:
        """Follow these, too. The kinds of which it is not known yet what is there."""
        wanted = tuple(places)
        for place in wanted:
            if place not in self._places:
                self._places[place] = self._follow(*place)
        return frozenset(place[0] for place in wanted if not self._places[place].synced)

    def get(self, manifest: Manifest) -> Object | None:
        """What is there in a manifest's place."""
        return self._places[manifest.resource, manifest.key.namespace].store.get(manifest.key)

    def surplus(self, wanted: Iterable[Manifest], owner: Object) -> Iterator[tuple[Resource, Object]]:
        """What the NMState `owner` owns of what is followed, although it is not wanted."""
        kept = {_place(one) for one in wanted}
        for (resource, namespace), followed in self._places.items():
            for found in followed.store.list():
                mine = any(
                    one.kind == NMSTATES.kind and one.uid == owner.uid for one in found.metadata.owner_references
                )
                going = found.metadata.deletion_timestamp is not None
                if mine and not going and (resource, namespace, found.key) not in kept:
                    yield resource, found

    def held(self) -> Iterator[tuple[Resource, Object]]:
        """What is to go, and waits for its pods to go first."""
        for (resource, _), followed in self._places.items():
            for found in followed.store.list():
                if is_owned(found) and FOREGROUND in found.metadata.finalizers:
                    yield resource, found


def _place(manifest: Manifest) -> tuple[Resource, str, Key]:
    return manifest.resource, manifest.key.namespace, manifest.key
