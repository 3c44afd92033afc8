"""Several runs of the same tests share them: each file is run by whoever claims it first.

`run` starts the runs, side by side, and names the folder of claims in their environment; there `Lanes` is the pytest
plugin of one run (register it in `pytest_configure`, if `from_environment` finds one). A lane with an odd number begins
from the other end, so that two meet in the middle. Without that folder all is run.

What a session has only once (an API server, a lab) each lane has for itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest

__all__ = ["CLAIMS", "LANE", "Lanes", "run"]

CLAIMS = "TEST_LANES_CLAIMS"
"""The folder of claims: a file for each file of tests, with the lane's number."""
LANE = "TEST_LANES_LANE"
NO_TESTS_COLLECTED = 5


class Lanes:
    """The pytest plugin of one lane."""

    def __init__(self, claims: Path, lane: int) -> None:
        self._claims = claims
        self._lane = lane
        self._mine: dict[Path, bool] = {}

    @classmethod
    def from_environment(cls) -> Lanes | None:
        """None where this run is the only one."""
        folder = os.environ.get(CLAIMS)
        return cls(Path(folder), int(os.environ[LANE])) if folder else None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Odd lanes take the files in reverse order; the tests of a file stay in theirs."""
        if self._lane % 2:
            files = {path: place for place, path in enumerate(dict.fromkeys(item.path for item in items))}
            items.sort(key=lambda item: -files[item.path])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """True: another lane has it, and nothing is to be done or told here."""
        return None if self._claimed(item.path, item.config.rootpath) else True

    def _claimed(self, path: Path, root: Path) -> bool:
        if path not in self._mine:
            name = str(path.relative_to(root)).replace("/", ":")
            try:
                with (self._claims / name).open("x") as claim:
                    claim.write(str(self._lane))
            except FileExistsError:
                self._mine[path] = False
            else:
                self._mine[path] = True
        return self._mine[path]


def run(arguments: Sequence[str], environments: Sequence[Mapping[str, str]], *, name: str = "lane") -> int:
    """Run pytest in as many lanes as there are environments (each is added to ours); the worst of their statuses.

    Interrupted, it lets each lane tear down what it has.
    """
    with tempfile.TemporaryDirectory(prefix="test-lanes-") as claims:
        command = [sys.executable, "-m", "pytest", *arguments]
        runs = [
            subprocess.Popen(
                command,
                env={**os.environ, CLAIMS: claims, LANE: str(lane), **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for lane, environment in enumerate(environments)
        ]
        readers = [
            threading.Thread(target=_relay, args=(f"{name}{lane}", each.stdout), daemon=True)
            for lane, each in enumerate(runs)
        ]
        for reader in readers:
            reader.start()
        try:
            statuses = [each.wait() for each in runs]
        finally:
            for each in runs:
                if each.poll() is None:
                    each.send_signal(signal.SIGINT)
                each.wait()
        for reader in readers:
            reader.join()
    return max((status for status in statuses if status != NO_TESTS_COLLECTED), default=NO_TESTS_COLLECTED)


def _relay(name: str, output: IO[str]) -> None:
    with output:
        for line in output:
            print(f"{name} | {line}", end="", flush=True)  # noqa: T201 - what the lanes say
