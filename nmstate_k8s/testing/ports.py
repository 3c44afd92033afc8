"""Ports for programs of a test that must be told which: found free, and still free when they are bound.

* They are none of those that the kernel gives away by itself, to who binds port 0 or connects without binding: in the
  time between it would give one to another process, and also while a server is down that is to come back.
* Who has got one holds it, against all others who ask here, until this process ends: by a lock on a file.

A server of our own process needs none of this: it binds port 0.
"""

import errno
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["free_ports"]

FIRST: Final = 10_000
"""Below are the ports of well-known services."""
LAST: Final = 65_535
RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
FOLDER: Final = Path(tempfile.gettempdir()) / f"nmstate-k8s-ports-{os.getuid()}"

_held: Final[dict[int, int]] = {}
"""Our ports, and the open files whose locks hold them."""


def free_ports(count: int) -> list[int]:
    """Ports on the loopback that nobody has, and nobody gets while this process lives; all different.

    :raises RuntimeError: if there are not so many.
    """
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    candidates = _candidates()
    random.shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            break
        if port not in _held and _hold(port):
            found.append(port)
    if len(found) < count:
        raise RuntimeError(f"there are no {count} free ports outside of those that the kernel gives away ({RANGE})")
    return found


def _candidates() -> list[int]:
    low, high = map(int, RANGE.read_text().split())
    return [port for port in range(FIRST, LAST + 1) if not low <= port <= high]


def _hold(port: int) -> bool:
    """Whether it is ours now."""
    lock = os.open(FOLDER / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_free(port):
            _held[port] = lock
            return True
    except BlockingIOError:
        pass  # another test process has it
    os.close(lock)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was closed a moment ago is free
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
