"""JSON that is nested deeply. API servers store ten thousand levels; a Python process reads a thousand, unless told.

* Who may write one field of any shape must not end every program that lists its kind: so whatever a server sends is
  read through `decoded`, which allows for as much as a server takes.
* The process is told when the first such object comes, and stays so: to lower the limit again could hit a thread
  that is deep in one.
"""

import sys
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["MAX_LEVELS", "decoded"]

T = TypeVar("T")

MAX_LEVELS: Final = 10_000
"""Of JSON that an API server takes: `maxNestingDepth` of Go's encoding/json, whose reader it has."""
_FRAMES: Final = MAX_LEVELS + 2_000
"""Room for the list around an object, and for who calls. Measured: a stack of 8 MiB is enough for 20,000 levels."""


def decoded(decode: Callable[[bytes], T], data: bytes) -> T:
    """What `decode`, a decoder of msgspec, makes of the data.

    :raises RecursionError: if it is nested more deeply than `MAX_LEVELS`, which no API server sends.
    :raises msgspec.MsgspecError: what `decode` raises.
    """
    try:
        return decode(data)
    except RecursionError:
        if sys.getrecursionlimit() >= _FRAMES:
            raise
        sys.setrecursionlimit(_FRAMES)
        return decode(data)
