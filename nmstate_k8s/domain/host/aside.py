"""What to do with a file or folder of our own that cannot be read: keep it for people, and get it out of the way.

It keeps its place under another name, `<name>.unreadable`. Only the last one of a name is kept, so that a disk that
corrupts files again and again does not fill up.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import structlog

__all__ = ["remove", "set_aside"]

_log = structlog.get_logger(__name__)


def set_aside(path: Path, error: Exception, *, folder: Path | None = None) -> None:
    """Keep `path` as `<name>.unreadable`, beside it or in `folder`, and say so. One that is gone is said to be.

    :raises OSError: if the disk does not let us.
    """
    kept = (folder or path.parent) / f"{path.name}.unreadable"
    remove(kept)
    try:
        path.rename(kept)
    except FileNotFoundError:
        _log.error("a file of the handler is missing", path=str(path), error=str(error))
        return
    _log.error(
        "a file of the handler cannot be read and is kept aside", path=str(path), kept_as=str(kept), error=str(error)
    )


def remove(path: Path) -> None:
    """Away with a file or a folder; none is fine. What the disk does not give away stays, as with `rmtree`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
