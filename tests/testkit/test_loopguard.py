"""The guard notes what a package's own code blocks the loop with, and nothing else."""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.testing.loopguard import LoopGuard

SOURCE = """
import asyncio
import time

async def sleeps():
    time.sleep(0.001)

async def hides_it():
    try:
        time.sleep(0.001)
    except BaseException:
        pass

async def reads_in_a_thread(path):
    return await asyncio.to_thread(path.read_text)

async def reads(path):
    return path.read_text()

async def calls_back():
    asyncio.get_running_loop().call_soon(time.sleep, 0)
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(lambda: (time.sleep(0.001), done.set()))
    await done.wait()

async def waits():
    await asyncio.sleep(0)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package whose calls count."""
    folder = tmp_path / "guarded_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("guarded_package")
    del sys.modules["guarded_package"]


@pytest.mark.parametrize("name", ["sleeps", "hides_it", "calls_back"])
def test_what_blocks_the_loop_is_named_with_its_caller(package: Any, name: str) -> None:
    with LoopGuard(["guarded_package"]) as guard:
        asyncio.run(getattr(package, name)())
    with pytest.raises(AssertionError, match=r"blocked by time\.sleep, called from\n(.*\n)*.*guarded_package"):
        guard.check()


def test_a_file_that_is_read_counts_and_in_a_thread_it_does_not(package: Any, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("x")
    with LoopGuard(["guarded_package"]) as guard:
        assert asyncio.run(package.reads_in_a_thread(file)) == "x"
        guard.check()
        assert asyncio.run(package.reads(file)) == "x"
    assert guard.blocked


def test_who_waits_and_who_is_not_scanned_blocks_nobody(package: Any) -> None:
    with LoopGuard(["guarded_package"]) as guard:
        asyncio.run(package.waits())
    guard.check()
    with LoopGuard(["guarded_package"], free=["guarded_package"]) as guard:
        asyncio.run(package.sleeps())
    guard.check()
