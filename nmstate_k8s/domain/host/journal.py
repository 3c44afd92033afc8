"""The journal: what a transaction is about to do, on disk before it does it.

- One record at most, because there is one transaction at most (`lock.NodeLock`).
- `write` returns when the record is on the disk, whole: a new file, synced, renamed over the old one, and the
  folder synced. After a power cut there is the old record or the new one, never half of one.
- A record names NetworkManager's bus name, the boot, and the checkpoints that were there before. With these a
  handler that was killed finds, when it starts again, the checkpoint that it left behind, and no other one.
- A record stays until the node is proven to be as desired, or seen to be as it was. While it stays, what an
  interrupted transaction left active is not believed in: `steps` probes it before it calls it Available.
- A record of an unknown version or one that cannot be read is kept aside and reported, never acted upon.

What the node looked like (profiles, hostname, scripts), and the unit that restores it before NetworkManager
starts, will stand beside the record in the same folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import structlog

from nmstate_k8s.domain.host.protocol import Checkpoint, NetworkManager

__all__ = ["Journal", "Record"]

_log = structlog.get_logger(__name__)
VERSION = 1


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction under way."""

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)] = VERSION
    transaction: str
    policy: str
    generation: int
    boot_id: str
    networkmanager: str
    """NetworkManager's unique bus name when the transaction began."""
    checkpoints_before: tuple[str, ...]
    begun: int
    """Milliseconds since boot."""
    checkpoint: str = ""
    """Ours, once it is known."""
    probes: tuple[str, ...] = ()
    """Those that worked before: whatever this transaction leaves behind has to pass them."""

    def left_over(self, networkmanager: NetworkManager, boot_id: str) -> str:
        """The path of the checkpoint that this transaction left behind; empty if there is none any more.

        Another boot or another NetworkManager: its checkpoints are gone, and paths count from 1 again.
        """
        if self.boot_id != boot_id or self.networkmanager != networkmanager.owner:
            return ""
        ours = [checkpoint for checkpoint in networkmanager.checkpoints if self._is_ours(checkpoint)]
        return ours[0].path if ours else ""

    def _is_ours(self, checkpoint: Checkpoint) -> bool:
        if self.checkpoint:
            return checkpoint.path == self.checkpoint and checkpoint.created >= self.begun
        return checkpoint.path not in self.checkpoints_before and checkpoint.created >= self.begun


class Journal:
    """The folder /var/k8s_nmstate/journal, or another one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "transaction.json"

    def read(self) -> Record | None:
        """The transaction under way, if there is one.

        :raises OSError: if the disk does not let us read.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(text, type=Record)
        except msgspec.MsgspecError as error:
            aside = self._path.with_suffix(".unreadable")
            _log.error("the journal cannot be read and is kept aside", path=str(aside), error=str(error))
            self._path.rename(aside)
            return None

    def write(self, record: Record) -> None:
        """Put the record on the disk.

        :raises OSError: if it could not be put there; then nothing may be changed on the node.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_suffix(".tmp")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)
        sync_folders([self._folder])

    def close(self) -> None:
        """The transaction has ended: no record any more, also after a power cut."""
        self._path.unlink(missing_ok=True)
        if self._folder.is_dir():
            sync_folders([self._folder])

    def writable(self) -> None:
        """Raise OSError where a record could not be written: a disk that is full or read-only."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        trial = self._folder / "trial.tmp"
        try:
            with trial.open("wb") as file:
                file.write(b"\0" * 4096)
                file.flush()
                os.fsync(file.fileno())
        finally:
            trial.unlink(missing_ok=True)


def sync_folders(folders: Iterable[Path]) -> None:
    """What was renamed or removed in these folders is so on the disk."""
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_files(folder: Path) -> int:
    """The files of a folder, and the folder, are on the disk. A folder that is not there has none."""
    if not folder.is_dir():
        return 0
    count = 0
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            count += 1
    sync_folders([folder])
    return count
