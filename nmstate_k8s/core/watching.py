"""The watch protocol: what is asked for and how a line is read.

* Bookmarks are always asked for: a quiet watch then resumes from a recent version, not from history.
* A watch from no version is asked to tell first what is there, and to say where that ends (a streaming list).
* The server is asked to end a watch after 5 to 10 minutes, at random, so that watches move to other
  API servers and do not all move at once.
"""

import random
from typing import Final, Literal, NamedTuple

import msgspec

from nmstate_k8s.core.errors import Unavailable, error_from_status
from nmstate_k8s.core.nesting import decoded
from nmstate_k8s.core.objects import Object, Resource

__all__ = ["EventType", "WatchEvent", "decode_watch_line", "watch_query"]

MIN_WATCH_SECONDS: Final = 300
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class WatchEvent(NamedTuple):
    """What happened, and the object after it (as it last was, if deleted; only a version, if a bookmark)."""

    type: EventType
    object: Object

    @property
    def ends_list(self) -> bool:
        """Whether it is the bookmark after all that was there when a watch from no version began."""
        return self.type == "BOOKMARK" and self.object.metadata.annotations.get(INITIAL_EVENTS_END) == "true"


class _Line(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


_decoder = msgspec.json.Decoder(_Line)


def watch_query(resource_version: str, timeout_seconds: int | None = None) -> dict[str, str]:
    """The query of a watch that goes on after `resource_version`; without one it begins with all that is there."""
    seconds = timeout_seconds or random.randint(MIN_WATCH_SECONDS, 2 * MIN_WATCH_SECONDS)
    query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
    if resource_version:
        return query | {"resourceVersion": resource_version}
    # Without a version the server tells of no state older than that of its storage now.
    return query | {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}


def decode_watch_line(line: bytes, resource: Resource, request: str) -> WatchEvent:
    """One line of the stream.

    :raises ApiError: if the line is the server's error, or (Unavailable) no line of a watch at all.
    """
    try:
        read = decoded(_decoder.decode, line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unavailable(f"a line of the watch cannot be read: {error}", request=request) from error
    if read.type == "ERROR":
        raise error_from_status(bytes(read.object), request=request)
    return WatchEvent(read.type, Object(bytes(read.object), resource))
