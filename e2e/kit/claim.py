"""One run at a time on one lab: two would take each other's policies away, and both would be red.

The claim is a lock of the kernel's beside the lab's state, and ends with the process that has it, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

__all__ = ["LabRefused", "claim", "claims_file", "this_command"]


class LabRefused(Exception):
    """The lab cannot be used for this run; the text says why, and what to do."""


def claims_file() -> Path:
    """Beside the folder of the lab, which `hack/lab down` removes."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return state / "nmstate-k8s" / "lab-in-use"


def claim(file: Path, command: str) -> None:
    """From now on, and until it ends, this process alone uses the lab.

    :raises LabRefused: if another one does.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)  # never closed: the lock lasts as long as the process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read_text().strip() or "another run"
        os.close(handle)
        raise LabRefused(
            f"the lab is in use by {holder}. Wait until that has ended, or use a lab of your own: XDG_STATE_HOME=FOLDER"
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{command} (process {os.getpid()})\n".encode(), 0)


def this_command() -> str:
    """How this process was begun, as a person would know it."""
    name, *arguments = sys.argv
    return " ".join(["/".join(Path(name).parts[-2:]), *arguments])[:200]
