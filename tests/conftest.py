"""Fixtures for everybody: a guard of the event loop, a real API server for a whole run, a client of it, a clock."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings

from nmstate_k8s.core.client import Client
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.lanes import Lanes
from nmstate_k8s.testing.loopguard import LoopGuard

ROOT = Path(__file__).parent.parent

# A property holds on a busy machine, too.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")


IDLE_TURNS = 4
"""How often a loop on virtual time looks again, with nothing to do, before its clock jumps. looptime's own 42 cost
more than all else that most of these tests do; a thread that works is waited for in any case."""


def pytest_configure(config: pytest.Config) -> None:
    if (lanes := Lanes.from_environment()) is not None:
        config.pluginmanager.register(lanes, "lanes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("looptime") is not None:
            item.add_marker(pytest.mark.looptime(noop_cycles=IDLE_TURNS))


@pytest.fixture(scope="session", autouse=True)
def tracebacks_are_plain() -> None:
    """With all local variables one takes up to a second of the loop, and when a client dies, all its parts log one."""
    *others, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, renderer])


@pytest.fixture(scope="session", autouse=True)
def main_loop() -> Iterator[None]:
    """A loop for the main thread: where there is none, pytest-asyncio makes one and never closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


STARTS_A_LOOP = re.compile(r"\basyncio\.run\(|\brun_until_complete\(|\brun_virtually\(")


@lru_cache
def starts_a_loop(path: Path) -> bool:
    """Whether tests of that file run loops of their own."""
    return STARTS_A_LOOP.search(path.read_text()) is not None


@pytest.fixture(autouse=True)
def as_much_recursion_as_python_gives() -> Iterator[None]:
    """For each test: what one read that is nested deeply (`core.nesting`) is of no help to the next."""
    limit = sys.getrecursionlimit()
    yield
    sys.setrecursionlimit(limit)


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test fails on whatever of our code blocked its loop, also if an error of it would have been caught."""
    if request.node.get_closest_marker("asyncio") is None and not starts_a_loop(request.path):
        yield
        return
    with LoopGuard(["nmstate_k8s"], free=["nmstate_k8s.testing"]) as guard:
        yield
    guard.check()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real etcd and kube-apiserver, shared by the whole run: use names of your own."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> list[str]:
    """Our own kinds, served by the real API server; their names."""
    return control_plane.install_crds(ROOT / "manifests" / "crds")


@pytest_asyncio.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator's client of the real API server."""
    async with Client(control_plane.config) as client:
        yield client


@pytest.fixture
def clock() -> LoopClock:
    """A wall clock that follows the event loop's time, virtual or not."""
    return LoopClock()
