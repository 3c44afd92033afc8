"""Whether the disks that a change writes to will take it: looked at before anything is changed."""

from __future__ import annotations

import os
from pathlib import Path

from nmstate_k8s.domain.desired.errors import HostError

__all__ = ["DiskRefused", "refuse_bad_disks"]

NEEDED_BYTES = 4 * 1024 * 1024
"""Some hundred profiles, twice, and a state of a thousand interfaces."""
NEEDED_FILES = 64
_PROFILES = "etc/NetworkManager/system-connections"


class DiskRefused(HostError):
    """A disk is full or read-only."""


def refuse_bad_disks(root: Path, journal: Path) -> None:
    """Raise `DiskRefused` where profiles or the journal could not be written.

    :raises OSError: if a disk cannot be looked at.
    """
    for folder in (journal, root / _PROFILES):
        if folder.is_dir():
            _refuse(folder)


def _refuse(folder: Path) -> None:
    seen = os.statvfs(folder)
    if seen.f_flag & os.ST_RDONLY:
        raise DiskRefused("DiskReadOnly", f"the disk of {folder} is mounted read-only; mount it writable")
    free = seen.f_bfree * seen.f_frsize
    if free < NEEDED_BYTES:
        raise DiskRefused(
            "DiskFull", f"the disk of {folder} is full ({free // 1024} KiB left); free {NEEDED_BYTES >> 20} MiB on it"
        )
    if seen.f_files and seen.f_ffree < NEEDED_FILES:
        raise DiskRefused("DiskFull", f"the disk of {folder} has no room for more files ({seen.f_ffree} left)")
