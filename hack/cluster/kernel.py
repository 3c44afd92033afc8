"""The guests' kernel: Debian's User-mode Linux with its modules, and the C library that it runs on."""

from __future__ import annotations

import shutil
from pathlib import Path

from .debian import download, unpack
from .errors import LabError
from .paths import Paths

__all__ = ["SUITE", "build", "find", "modules"]

# 6.1 and 6.12 of Debian 12 and 13 crash on recent CPUs; forky has the seccomp mode, three times as fast.
SUITE = "forky"
PACKAGE = "user-mode-linux"
FOLDER = "kernel-2"


def find(paths: Paths) -> Path | None:
    """The folder of the unpacked package, None where it was not fetched yet."""
    folder = paths.builds / FOLDER
    return folder if (folder / "usr/bin/linux.uml").exists() else None


def modules(kernel: Path) -> Path:
    """The folder of modules; its name is the kernel's release."""
    found = sorted((kernel / "usr/lib/uml/modules").glob("*"))
    if len(found) != 1:
        raise LabError(f"{kernel} holds {len(found)} sets of kernel modules instead of one; remove it and try again")
    return found[0]


def build(paths: Paths) -> Path:
    new = paths.builds / f"{FOLDER}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    package = download(PACKAGE, SUITE, new)
    unpack(package, new)
    package.unlink()
    folder = paths.builds / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    return new.rename(folder)
