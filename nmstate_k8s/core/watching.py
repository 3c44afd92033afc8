"""The watch protocol: what is asked for and how a line is read.

* Bookmarks are always asked for: a quiet watch then resumes from a recent version, not from history.
* The server is asked to end a watch after 5 to 10 minutes, at random, so that watches move to other
  API servers and do not all move at once.
"""

import random
from typing import Final, Literal, NamedTuple

import msgspec

from nmstate_k8s.core.errors import Unavailable, error_from_status
from nmstate_k8s.core.objects import Object, Resource

__all__ = ["EventType", "WatchEvent", "decode_watch_line", "watch_query"]

MIN_WATCH_SECONDS: Final = 300

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class WatchEvent(NamedTuple):
    """What happened, and the object after it (as it last was, if deleted; only a version, if a bookmark)."""

    type: EventType
    object: Object


class _Line(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


_decoder = msgspec.json.Decoder(_Line)


def watch_query(resource_version: str, timeout_seconds: int | None = None) -> dict[str, str]:
    """The query of a watch that goes on after `resource_version`."""
    seconds = timeout_seconds or random.randint(MIN_WATCH_SECONDS, 2 * MIN_WATCH_SECONDS)
    return {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": resource_version,
        "timeoutSeconds": str(seconds),
    }


def decode_watch_line(line: bytes, resource: Resource, request: str) -> WatchEvent:
    """One line of the stream.

    :raises ApiError: if the line is the server's error, or (Unavailable) no line of a watch at all.
    """
    try:
        decoded = _decoder.decode(line)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"a line of the watch cannot be read: {error}", request=request) from error
    if decoded.type == "ERROR":
        raise error_from_status(bytes(decoded.object), request=request)
    return WatchEvent(decoded.type, Object(bytes(decoded.object), resource))
