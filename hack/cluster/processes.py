"""Facts about processes from /proc, safe against reuse of their numbers."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["alive", "children", "sessions", "start_time"]


def _stat(pid: int | str) -> list[str] | None:
    """Fields of /proc/PID/stat after the name: [0] is the state."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> int | None:
    """Start in clock ticks since boot: together with the number it names one process for good. None: gone or dead."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def alive(pid: int, start: int) -> bool:
    return start_time(pid) == start


def children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def sessions() -> set[int]:
    """The sessions that still have a living process."""
    found = set()
    for entry in os.listdir("/proc"):  # noqa: PTH208  (names only, and fast)
        if entry.isdecimal() and (fields := _stat(entry)) is not None and fields[0] not in "ZX":
            found.add(int(fields[3]))
    return found
