"""Keeps the process small: gives memory back to the system that libnmstate has used and freed.

- A look at hundreds of interfaces leaves the C library's heap full of holes, which it keeps: on a node with 300
  interfaces 5 MB of a handler's 58 stayed resident. Handing them back takes a few milliseconds.
- Each thread that allocates gets a heap of its own, with holes of its own. One for all is enough here: libnmstate runs
  in one thread, and the others wait.
- A large block that is freed makes the C library put later ones of that size into the heap. Mapped by themselves,
  they go back as they are freed.
"""

from __future__ import annotations

import ctypes

__all__ = ["give_back", "keep_small"]

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BYTES = 128 * 1024
"""The C library's own first threshold; once it is set, it stays."""


def keep_small() -> None:
    """To be called before threads begin; where the C library knows no such thing, do nothing."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_ARENA_MAX, 1)
        set_option(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def give_back() -> None:
    """Return what the heap does not use; where the C library knows no such thing, do nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
