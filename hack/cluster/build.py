"""Everything that the lab is made of, built where it is missing: independent builds side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from . import binaries, guest, kernel
from .paths import Paths
from .say import Progress
from .session import exclusive

__all__ = ["build", "complete"]


def complete(paths: Paths) -> bool:
    return not binaries.missing(paths) and guest.find_image(paths) is not None


def build(paths: Paths, progress: Progress) -> None:
    """Programs, kernel, tree, then the image (as soon as the kubelet is there, while other programs still build)."""
    with exclusive(paths, "build"):
        if not complete(paths):
            _build(paths, progress)


def _build(paths: Paths, progress: Progress) -> None:
    kubelet = threading.Event()

    def programs() -> None:
        def built(name: str) -> None:
            if name == "kubelet":
                kubelet.set()

        try:
            if binaries.find(paths, "kubelet"):
                kubelet.set()
            binaries.build(paths, progress, built)
        finally:
            kubelet.set()

    def parts_of_image() -> None:
        if kernel.find(paths) is None:
            with progress.step("fetch the nodes' kernel"):
                kernel.build(paths)
        if guest.find_tree(paths) is None:
            with progress.step("fetch the nodes' Debian"):
                guest.build_tree(paths)
        kubelet.wait()
        if guest.find_image(paths) is None and binaries.find(paths, "kubelet"):
            guest.build_image(paths, progress)

    _side_by_side(programs, parts_of_image)


def _side_by_side(*jobs: Callable[[], None]) -> None:
    """Run the jobs in threads; the first failure is raised once it is there."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        running = [pool.submit(job) for job in jobs]
        done, _ = wait(running, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
