"""Debian's Prometheus and promtool, for tests: unpacked in the cache, not installed."""

from __future__ import annotations

import shutil
from pathlib import Path

from .debian import download, unpack
from .locks import locked
from .paths import Paths

__all__ = ["SUITE", "find", "provide"]

SUITE = "bookworm"
"""Its programs need no newer C library than the oldest Debian that the tests run on."""
FOLDER = f"prometheus-{SUITE}"
PROGRAMS = ("prometheus", "promtool")


def find(paths: Paths) -> Path | None:
    """The folder of the programs, None where they were not fetched yet."""
    folder = paths.cache / FOLDER
    return folder if all((folder / program).exists() for program in PROGRAMS) else None


def provide(paths: Paths) -> Path:
    """The folder of the programs, fetched if need be; who comes while another fetches them waits."""
    folder = paths.cache / FOLDER
    with locked(folder.with_name(f"{FOLDER}.lock")):
        return find(paths) or _fetch(folder)


def _fetch(folder: Path) -> Path:
    new = folder.with_name(f"{FOLDER}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    unpack(download("prometheus", SUITE, new), new / "package")
    for program in PROGRAMS:
        (new / "package/usr/bin" / program).rename(new / program)
    shutil.rmtree(new / "package")
    for package in new.glob("*.deb"):
        package.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    return new.rename(folder)
