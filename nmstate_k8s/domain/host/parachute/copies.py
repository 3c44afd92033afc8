"""Which files of the host a change may leave changed, and copies of them.

- ``KEPT`` is all that an apply writes and a power cut would not take back (docs/transaction.md says how that was
  found). `restore.sh` has the same list: it also removes what has no copy.
- ``VOLATILE`` is gone with the boot anyway, and put back within the same boot only.
- A copy keeps mode, owner, times and SELinux label; a symbolic link is kept as one; names may be any bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "KEPT",
    "VOLATILE",
    "Place",
    "copy_tree",
    "differing",
    "put_back",
    "sync_all",
    "sync_folders",
    "sync_places",
    "watched",
]


class Place(NamedTuple):
    """The files right in a folder whose names match."""

    folder: str
    pattern: str


PROFILES = Place("etc/NetworkManager/system-connections", "*")
SCRIPTS = Place("etc/NetworkManager/dispatcher.d", "nmstate-*")
GLOBAL_DNS = Place("var/lib/NetworkManager", "NetworkManager-intern.conf")
NAMES = Place("etc/systemd/network", "98-nmstate-*")
KEPT = (PROFILES, SCRIPTS, GLOBAL_DNS, NAMES)
OUTSIDE = (SCRIPTS, NAMES)
"""Those that NetworkManager's rollback does not know."""
VOLATILE = (Place("run/NetworkManager/system-connections", "*"),)
_GENERATED = b"nm-generated=true"
"""NetworkManager makes these itself, from what it finds in the kernel."""
_EXTERNAL = b"external=true"
"""Of those: what somebody else set up and NetworkManager only watches, however it is begun anew."""
_NAMES = b"interface-name="
_WRITERS = 8


def copy_tree(root: Path, places: tuple[Place, ...], target: Path) -> list[Path]:
    """Copies of the files of these places under `target`, by their paths. What was made, files and folders."""
    made: list[Path] = []
    for place in places:
        for source in _files(root, place):
            if place in VOLATILE and _GENERATED in source.read_bytes():
                continue
            copy = target / source.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _copy(source, copy)
            made.append(copy)
    folders = {folder for copy in made for folder in copy.relative_to(target).parents}
    return [*made, *(target / folder for folder in sorted(folders))]


def watched(root: Path) -> frozenset[str]:
    """The interfaces that NetworkManager only watches: no profile would bring back what they have."""
    found: set[str] = set()
    for lines in (path.read_bytes().splitlines() for place in VOLATILE for path in _files(root, place)):
        if _GENERATED in lines and _EXTERNAL in lines:
            found |= {os.fsdecode(line.removeprefix(_NAMES)) for line in lines if line.startswith(_NAMES)}
    return frozenset(found)


def differing(root: Path, places: tuple[Place, ...], copies: Path) -> list[Path]:
    """The files, relative to the root, that are not as their copies, or have none, or are gone."""
    now = {path.relative_to(root) for place in places for path in _files(root, place)}
    then = {path.relative_to(copies) for place in places for path in _files(copies, place)}
    return sorted(path for path in now | then if _content(root / path) != _content(copies / path))


def put_back(root: Path, paths: list[Path], copies: Path) -> None:
    """These files as their copies are; away with those that have none."""
    for path in paths:
        copy, file = copies / path, root / path
        if copy.exists() or copy.is_symlink():
            fresh = file.with_name(".nmstate-restore.tmp")
            fresh.unlink(missing_ok=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            _copy(copy, fresh)
            sync_all([fresh])
            fresh.rename(file)
        else:
            file.unlink(missing_ok=True)
    sync_folders({(root / path).parent for path in paths})


def sync_all(paths: list[Path]) -> None:
    """These files and folders are on the disk: side by side, so that the file system can do it in one go."""
    syncable = [path for path in paths if not path.is_symlink()]
    with ThreadPoolExecutor(min(_WRITERS, len(syncable) or 1)) as writers:
        list(writers.map(_sync, syncable))


def sync_folders(folders: set[Path]) -> None:
    """What was renamed or removed in these folders is so on the disk."""
    for folder in sorted(folders):
        if folder.is_dir():
            _sync(folder)


def sync_places(root: Path, places: tuple[Place, ...]) -> int:
    """All files of these places, and their folders, are on the disk. How many there are."""
    files = [path for place in places for path in _files(root, place)]
    sync_all(files)
    sync_folders({root / place.folder for place in places})
    return len(files)


def _files(root: Path, place: Place) -> Iterator[Path]:
    folder = root / place.folder
    if folder.is_dir():
        for path in sorted(folder.glob(place.pattern)):
            if path.is_symlink() or not path.is_dir():
                yield path


def _copy(source: Path, copy: Path) -> None:
    shutil.copy2(source, copy, follow_symlinks=False)
    status = source.lstat()
    os.chown(copy, status.st_uid, status.st_gid, follow_symlinks=False)


def _content(path: Path) -> bytes | None:
    if path.is_symlink():
        return b"->" + os.fsencode(path.readlink())
    return path.read_bytes() if path.exists() else None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
