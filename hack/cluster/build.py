"""Everything that the lab is made of, built where it is missing: independent builds side by side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from . import binaries, guest, kernel, ovs
from .locks import locked
from .paths import Paths
from .say import Progress

__all__ = ["build", "complete"]


def complete(paths: Paths, *, open_vswitch: bool = False) -> bool:
    return not binaries.missing(paths) and guest.find_image(paths, open_vswitch=open_vswitch) is not None


def build(paths: Paths, progress: Progress, *, open_vswitch: bool = False) -> None:
    """Build what is missing. Checkouts and labs may share the cache: one builds, the others wait and find it done."""
    with locked(paths.builds / "build.lock"):
        if not complete(paths, open_vswitch=open_vswitch):
            _build(paths, progress, open_vswitch)


def _build(paths: Paths, progress: Progress, open_vswitch: bool) -> None:
    kubelet = threading.Event()
    if binaries.find(paths, "kubelet"):
        kubelet.set()

    def programs() -> None:
        binaries.build(paths, progress, lambda name: kubelet.set() if name == "kubelet" else None)

    def the_kernel() -> None:
        if kernel.find(paths) is None:
            with progress.step("fetch the nodes' kernel"):
                kernel.build(paths)

    def tree() -> None:
        if guest.find_tree(paths, open_vswitch=open_vswitch) is None:
            with progress.step("fetch the nodes' Debian"):
                guest.build_tree(paths, open_vswitch=open_vswitch)

    def manager() -> None:
        if open_vswitch and ovs.find(paths) is None:
            with progress.step("build NetworkManager with Open vSwitch"):
                ovs.build(paths)

    finished: queue.Queue[Exception | None] = queue.Queue()
    parts = [_Job(work, finished) for work in (the_kernel, tree, manager)]

    def image() -> None:  # as soon as its parts are there, while other programs may still build
        kubelet.wait()
        for part in parts:
            part.join()
        if guest.find_image(paths, open_vswitch=open_vswitch) is None and not any(part.failed for part in parts):
            guest.build_image(paths, progress, open_vswitch=open_vswitch)

    jobs = [_Job(programs, finished), *parts, _Job(image, finished)]
    for job in jobs:
        job.start()
    for _ in jobs:
        if (error := finished.get()) is not None:
            raise error  # the other jobs end with this process


class _Job(threading.Thread):
    """Work in a thread that nobody waits for when another has failed; tells the queue how it ended."""

    def __init__(self, work: Callable[[], None], finished: queue.Queue[Exception | None]) -> None:
        super().__init__(daemon=True)
        self._work, self._finished = work, finished
        self.failed = False

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001  (raised anew by whoever reads the queue)
            self.failed = True
            self._finished.put(error)
        else:
            self._finished.put(None)
