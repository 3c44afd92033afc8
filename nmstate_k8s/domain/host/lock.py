"""One handler a node: an exclusive lock on a file of the host, held as long as the process lives.

The kernel releases it with the process, however that ends. A second handler waits: during a roll-out the old
pod may still be ending a transaction.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

import structlog

__all__ = ["NodeLock"]

_log = structlog.get_logger(__name__)


class NodeLock:
    """The lock on NMSTATE_INSTANCE_NODE_LOCK_FILE."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    async def acquire(self, *, retry_seconds: float = 1.0) -> None:
        """Wait until no other process holds it. Cancelling gives up waiting."""
        file = await asyncio.to_thread(self._open)
        told = False
        try:
            while not _locked(file):
                if not told:
                    _log.warning("another handler runs on this node, waiting for it to end", lock=str(self._path))
                    told = True
                await asyncio.sleep(retry_seconds)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two hold different files."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
