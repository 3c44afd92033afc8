"""One command at a time: locks of the kernel's, which end with their holder, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .paths import Paths

__all__ = ["end_holder", "exclusive", "locked"]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of this file; tell whom we wait for, if we must."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            print(f"lab: waiting for {handle.read().strip() or 'another hack/lab'}", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(f"process {os.getpid()}: hack/lab {' '.join(sys.argv[1:])}\n")
        handle.flush()
        yield
        handle.truncate(0)


def _file(paths: Paths, what: str) -> Path:
    return paths.state.with_name(f"{what}.lock")


@contextmanager
def exclusive(paths: Paths, what: str = "lab") -> Iterator[None]:
    """Be the only command that changes this: the whole lab, one node, one wire."""
    with locked(_file(paths, what)):
        yield


def end_holder(paths: Paths) -> bool:
    """End the command that changes the lab now, as Ctrl-C would, and harder if it lingers. False where none does."""
    lock = _file(paths, "lab")
    if not lock.exists():
        return False
    with lock.open() as handle:
        for number in (signal.SIGINT, signal.SIGKILL):
            if _try_lock(handle, seconds=0 if number == signal.SIGINT else 5):
                return number != signal.SIGINT
            handle.seek(0)
            holder = re.match(r"process (\d+): (.*)", handle.read())
            if holder is None:
                continue
            print(f"lab: ending `{holder[2]}` (process {holder[1]})", file=sys.stderr)
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(holder[1]), number)
        return _try_lock(handle, seconds=5)


def _try_lock(handle: IO[str], seconds: float) -> bool:
    """Take the lock and give it back; False where somebody keeps it all the while."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        else:
            fcntl.flock(handle, fcntl.LOCK_UN)
            return True
