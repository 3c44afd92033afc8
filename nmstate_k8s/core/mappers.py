"""From an object to the keys that it concerns."""

from collections.abc import Callable, Iterable

from nmstate_k8s.core.objects import Key, Object, Resource

__all__ = ["Mapper", "itself", "label_value", "owner_of"]

Mapper = Callable[[Object], Iterable[Key]]


def itself(obj: Object) -> Iterable[Key]:
    """The object's own key."""
    return (obj.key,)


def owner_of(owner: Resource, *, controller_only: bool = True) -> Mapper:
    """The owners of that kind, in whatever version; by default only the one that controls the object."""

    def mapper(obj: Object) -> Iterable[Key]:
        for reference in obj.metadata.owner_references:
            group = reference.api_version.rpartition("/")[0]
            if (group, reference.kind) == (owner.group, owner.kind) and (reference.controller or not controller_only):
                yield Key(obj.namespace if owner.namespaced else "", reference.name)

    return mapper


def label_value(label: str, namespace: str = "") -> Mapper:
    """The key whose name is the value of a label."""

    def mapper(obj: Object) -> Iterable[Key]:
        name = obj.labels.get(label)
        return (Key(namespace, name),) if name else ()

    return mapper
