"""Nothing is left of connections that broke, however many there were. Real kube-apiserver and etcd.

`hack/convergence` runs the same with thousands: CONVERGENCE_RECONNECTS.
"""

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.proxy import TcpProxy
from tests.integration.convergencekit import KINDS, Mirrors, figure, install, mirrored

RECONNECTS = int(os.environ.get("CONVERGENCE_RECONNECTS", "300"))
STEPS = 10

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane.start() as plane:
        install(plane)
        yield plane


async def reconnect(mirrors: Mirrors, wire: TcpProxy, times: int) -> None:
    """So often all watches are broken, by us and by the network in turn, and open again."""
    for each in range(times):
        mirrors.forget_counts()
        if each % 2:
            await wire.cut()
            wire.restore()
        mirrors.client.reset_connections()  # ends the waits, too
        await until(lambda: mirrors.answered.total() >= len(KINDS), 30, every=0.002)


async def test_memory_is_flat_over_many_reconnects(plane: ControlPlane, request: pytest.FixtureRequest) -> None:
    """From a third of the way on: neither memory nor objects, open files or tasks become more."""
    async with TcpProxy.run(plane.port) as wire, mirrored(plane, port=wire.port) as (world, mirrors):
        started = time.monotonic()
        seen = []
        for _ in range(STEPS):
            await reconnect(mirrors, wire, RECONNECTS // STEPS)
            gc.collect()
            seen.append(resident_kib())
            objects, files, tasks = len(gc.get_objects()), open_files(), len(asyncio.all_tasks())
            if len(seen) == STEPS // 3:
                first = objects, files, tasks
        figure(request, "reconnects", f"{RECONNECTS} of {len(KINDS)} watches in {time.monotonic() - started:.0f} s")
        figure(request, "resident KiB", seen)
        figure(request, "objects", [first[0], objects])
        before = seen[STEPS // 3 - 1]
        assert seen[-1] - before < max(2048, before * 0.03)
        assert objects - first[0] < RECONNECTS
        await until(lambda: open_files() <= first[1] + 2 and len(asyncio.all_tasks()) <= first[2] + 2, 30)
        await world.change("after many reconnects")
        await mirrors.converge(world)
        assert not mirrors.lists()


def resident_kib() -> int:
    """Of this process."""
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1])


def open_files() -> int:
    """Of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
