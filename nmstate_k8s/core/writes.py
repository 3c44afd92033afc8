"""Writes, told to whoever wants to know what the code that he calls has written.

* `collecting(sink)` tells `sink` of every write that a `Client` has made within the block, in whatever task the
  block started: the client calls `wrote`, `deleted` and `lost`. Elsewhere these do nothing.

A controller uses it to know what a reconcile wrote, without the reconciler's saying so (`ownwrites`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from nmstate_k8s.core.nesting import decoded
from nmstate_k8s.core.objects import Key, Object, ObjectMeta, Resource

__all__ = ["Kind", "Write", "collecting", "deleted", "lost", "wrote"]


class Kind(Enum):
    """How a write ended."""

    WRITTEN = "written"
    """The object is there, at `Write.version` or later."""
    DELETED = "deleted"
    """The object is gone, or going."""
    LOST = "lost"
    """A create without an answer, of an object whose name the server chooses."""


class Write(NamedTuple):
    """One write, as the API server answered it."""

    kind: Kind
    resource: Resource
    key: Key
    uid: str = ""
    version: int = 0
    labels: Mapping[str, str] = {}


class _Deleted(msgspec.Struct):
    """A deletion's answer: the object, if something still holds it, or a Status that names it."""

    class Details(msgspec.Struct):
        uid: str = ""

    kind: str = ""
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    details: Details | None = None


_sink: Final[ContextVar[Callable[[Write], None] | None]] = ContextVar("writes", default=None)
_decode_deleted: Final = msgspec.json.Decoder(_Deleted).decode


@contextmanager
def collecting(sink: Callable[[Write], None]) -> Iterator[None]:
    """Tell `sink` of the writes that are made within."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def wrote(resource: Resource, answer: Object) -> None:
    """An object was created or changed, and this is what it is now."""
    sink = _sink.get()
    if sink is None:
        return
    meta = answer.metadata
    if meta.resource_version.isdigit():  # anything else cannot be compared
        sink(Write(Kind.WRITTEN, resource, answer.key, meta.uid, int(meta.resource_version), meta.labels))


def deleted(resource: Resource, key: Key, answer: bytes) -> None:
    """An object was deleted, or told to end."""
    sink = _sink.get()
    if sink is None:
        return
    try:
        said = decoded(_decode_deleted, answer or b"{}")
    except (msgspec.MsgspecError, RecursionError):
        said = _Deleted()
    if said.kind not in ("", "Status") and said.metadata.resource_version.isdigit():
        meta = said.metadata
        sink(Write(Kind.WRITTEN, resource, key, meta.uid, int(meta.resource_version), meta.labels))
    else:
        sink(Write(Kind.DELETED, resource, key, said.details.uid if said.details else ""))


def lost(resource: Resource, namespace: str) -> None:
    """A create of an object without a name was not answered: it may be there, or come to be."""
    sink = _sink.get()
    if sink is not None:
        sink(Write(Kind.LOST, resource, Key(namespace, "")))
