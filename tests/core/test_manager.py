"""The manager: started in order, stopped in reverse, nothing left behind."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import LeadershipLost
from nmstate_k8s.core.manager import Manager, Stage
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.serving import HttpServer
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import OPEN, ScriptedTransport, listing, thing

NODES = Resource("", "v1", "nodes", "Node")

pytestmark = pytest.mark.asyncio
virtual = pytest.mark.looptime


class Part:
    """A runnable that notes when it starts and ends."""

    def __init__(self, name: str, diary: list[str], *, ending: float = 0.0, fails: bool = False) -> None:
        self.name = name
        self.diary = diary
        self.ending = ending
        self.fails = fails

    async def run(self) -> None:
        self.diary.append(f"+{self.name}")
        try:
            if self.fails:
                await asyncio.sleep(1)
                raise ValueError(self.name)
            await asyncio.Event().wait()
        finally:
            try:
                await asyncio.sleep(self.ending)
            except asyncio.CancelledError:
                self.diary.append(f"!{self.name}")
                raise
            finally:
                self.diary.append(f"-{self.name}")


class Election:
    """An election that is won at once, and lost when the test says so."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.terms = 0

    async def run(self, work: object) -> None:
        self.terms += 1
        task = asyncio.create_task(work())  # type: ignore[operator]
        lost = asyncio.create_task(self.lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.lost.clear()
            task.cancel()
            await asyncio.wait({task})
            lost.cancel()
        raise LeadershipLost("lost")


def make(**options: object) -> tuple[Manager, list[str]]:
    """A manager with a part at each stage, and their diary."""
    transport = ScriptedTransport([listing([thing("a", version=1)], 1)], [[OPEN]])
    client = Client(ClusterConfig("https://x"), clock=LoopClock(), transport=transport)
    manager = Manager(client, metrics=Metrics(), **options)  # type: ignore[arg-type]
    diary: list[str] = []
    manager.add(Part("leader", diary), leader_only=True)
    manager.add(Part("controller", diary))
    manager.add(Part("server", diary), stage=Stage.SERVERS)
    return manager, diary


@asynccontextmanager
async def running(manager: Manager) -> AsyncIterator["asyncio.Task[None]"]:
    """The manager in the background."""
    task = asyncio.create_task(manager.run(signals=False))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ValueError):
            await task


@virtual
async def test_everything_starts_in_order_and_stops_in_reverse() -> None:
    """Whatever was under something ends after it."""
    manager, diary = make()
    async with running(manager) as task:
        await until(lambda: "+leader" in diary)
        manager.stop()
        await task
    assert diary == ["+server", "+controller", "+leader", "-leader", "-controller", "-server"]


@virtual
async def test_controllers_start_when_the_caches_are_in_step() -> None:
    """And the process is not ready before."""
    manager, diary = make()
    informer = manager.informer(NODES)
    assert manager.informer(NODES) is informer
    assert manager.informer(NODES, label_selector="x") is not informer
    async with running(manager):
        await asyncio.sleep(1)  # the second informer's list is not in the script
        assert diary == ["+server"]
        assert manager._caches_problem() == "not listed yet: nodes"


@virtual
async def test_an_informer_may_come_late() -> None:
    """It is run at once."""
    manager, diary = make()
    async with running(manager):
        await until(lambda: "+leader" in diary)
        informer = manager.informer(NODES)
        await informer.wait_for_sync()
        assert len(informer.store) == 1


@virtual
async def test_a_failure_brings_everything_down_in_order() -> None:
    """And is raised: a process that is broken does not limp on."""
    manager, diary = make()
    manager.add(Part("broken", diary, fails=True))
    with pytest.raises(ValueError, match="broken"):
        await manager.run(signals=False)
    assert diary[-4:-1] == ["-broken", "-leader", "-controller"]
    assert diary[-1] == "-server"


@virtual
async def test_what_does_not_end_in_time_is_told_again() -> None:
    """After the grace, once; then the rest is stopped too."""
    manager, diary = make(grace_seconds=10)
    manager.add(Part("slow", diary, ending=1000))
    async with running(manager) as task:
        await until(lambda: "+leader" in diary)
        started = asyncio.get_running_loop().time()
        manager.stop()
        await task
        assert asyncio.get_running_loop().time() - started < 12
    assert diary[-3:] == ["!slow", "-slow", "-server"]


@virtual
async def test_stopping_twice_ends_the_grace() -> None:
    """A second signal is impatience."""
    manager, diary = make(grace_seconds=1000)
    manager.add(Part("slow", diary, ending=1000))
    async with running(manager) as task:
        await until(lambda: "+leader" in diary)
        manager.stop()
        await asyncio.sleep(5)
        assert not task.done()
        manager.stop()
        await task
        assert asyncio.get_running_loop().time() < 10
    assert "!slow" in diary


@virtual
async def test_a_lost_leadership_touches_the_leaders_work_only() -> None:
    """It stops, and starts again when we lead again."""
    election = Election()
    manager, diary = make(leader_election=election)
    async with running(manager):
        await until(lambda: "+leader" in diary)
        election.lost.set()
        await until(lambda: diary.count("+leader") == 2)
        assert diary == ["+server", "+controller", "+leader", "-leader", "+leader"]
        assert election.terms == 2


async def test_a_signal_stops_the_manager() -> None:
    """SIGTERM is how a kubelet says it."""
    manager, diary = make()
    task = asyncio.create_task(manager.run())
    await until(lambda: "+leader" in diary)
    os.kill(os.getpid(), signal.SIGTERM)
    await task
    assert diary[-1] == "-server"


async def test_health_metrics_and_readiness_are_served() -> None:
    """Checks decide; what fails is named. At one address they are one server."""
    manager, diary = make(health_address="127.0.0.1:0", metrics_address="127.0.0.1:0")
    verdict: list[str] = ["not yet"]
    manager.add_ready_check("later", lambda: verdict[0])

    async def dead() -> bool:
        return not verdict

    async with running(manager), aiohttp.ClientSession() as session:
        await until(lambda: "+leader" in diary)
        (server,) = manager._servers

        async def ask(path: str) -> tuple[int, str]:
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as response:
                return response.status, await response.text()

        assert await ask("/healthz") == (200, "ok")
        assert await ask("/readyz") == (503, "[+]caches ok\n[-]later failed: not yet\nreadyz check failed\n")
        verdict[0] = ""
        assert await ask("/readyz") == (200, "ok")
        assert (await ask("/readyz?verbose"))[1] == "[+]caches ok\n[+]later ok\nreadyz check passed\n"
        manager.add_live_check("dead", dead)
        assert await ask("/healthz") == (503, "[-]dead failed: failed\nhealthz check failed\n")
        status, text = await ask("/metrics")
        assert status == 200
        assert "controller_runtime_reconcile_total" in text
        assert "python_gc" not in text


async def test_metrics_may_have_an_address_of_their_own() -> None:
    """Then health is not there."""
    manager, diary = make(metrics_address="127.0.0.1:0")
    async with running(manager), aiohttp.ClientSession() as session:
        await until(lambda: "+leader" in diary)
        (server,) = manager._servers
        for path, status in (("/metrics", 200), ("/healthz", 404)):
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as response:
                assert response.status == status


async def test_an_address_that_becomes_free_is_waited_for() -> None:
    """The process before us ends in its own time; meanwhile nothing else of us runs."""
    manager, _ = make()
    first = HttpServer("127.0.0.1:0", {})
    manager.add_server(first)
    other, diary = make()
    async with running(manager):
        await first.ready.wait()
        other.add_server(HttpServer(f"127.0.0.1:{first.port}", {}, wait_seconds=60))
        waiting = asyncio.create_task(other.run(signals=False))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        assert "+controller" not in diary
    await until(lambda: "+controller" in diary)
    other.stop()
    await waiting


async def test_a_server_that_cannot_listen_is_a_failure() -> None:
    """Two processes on one port: said at once."""
    manager, _ = make()
    first = HttpServer("127.0.0.1:0", {})
    manager.add_server(first)
    async with running(manager):
        await first.ready.wait()
        other, diary = make()
        other.add_server(HttpServer(f"127.0.0.1:{first.port}", {}))
        with pytest.raises(OSError, match="in use"):
            await other.run(signals=False)
        assert "+controller" not in diary
