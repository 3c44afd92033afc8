"""The locked dependencies, for the commands of hack/ that need them: called by any Python, they run on .venv's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"


def enter() -> None:
    """Go on in .venv, which is made where it is not there yet; does not return to another Python.

    :raises subprocess.CalledProcessError: if hack/setup failed, which has said why.
    """
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    python = VENV / "bin/python"
    if not python.exists():
        subprocess.run([ROOT / "hack/setup"], check=True)
    os.execv(python, [str(python), *sys.argv])
