"""Which changes matter to a controller.

A predicate is a plain function of an `Event`. Creations and deletions (and what was there at the start)
always pass those that compare old and new; combine them with `any_of`, `all_of`, `negate`.
"""

from collections.abc import Callable

from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Object

__all__ = [
    "Predicate",
    "all_of",
    "annotations_changed",
    "any_of",
    "changed",
    "created",
    "deleted",
    "generation_changed",
    "labels_changed",
    "negate",
]

Predicate = Callable[[Event], bool]


def changed(part: Callable[[Object], object]) -> Predicate:
    """Passes when `part` of the object is another than before."""

    def predicate(event: Event) -> bool:
        if event.old is None or event.new is None:
            return True
        return part(event.old) != part(event.new)

    return predicate


generation_changed: Predicate = changed(lambda obj: obj.metadata.generation)
"""The spec is another than before: status writes do not pass."""

labels_changed: Predicate = changed(lambda obj: obj.metadata.labels)
annotations_changed: Predicate = changed(lambda obj: obj.metadata.annotations)


def created(event: Event) -> bool:
    """The object is new, to the server or to us."""
    return event.old is None


def deleted(event: Event) -> bool:
    """The object is gone."""
    return event.new is None


def any_of(*predicates: Predicate) -> Predicate:
    """Passes when one of them does."""
    return lambda event: any(predicate(event) for predicate in predicates)


def all_of(*predicates: Predicate) -> Predicate:
    """Passes when all of them do."""
    return lambda event: all(predicate(event) for predicate in predicates)


def negate(predicate: Predicate) -> Predicate:
    """Passes when it does not."""
    return lambda event: not predicate(event)
