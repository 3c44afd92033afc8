"""Several runs of the same tests share them: each file is run by whoever claims it first.

`hack/e2e` starts the runs, each with a lab of its own, and names the folder of claims in the environment. A lane
with an odd number begins from the other end, so that two meet in the middle. Without that folder all is run.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["CLAIMS", "LANE", "Lanes"]

CLAIMS = "E2E_CLAIMS"
"""The folder of claims: a file for each file of tests, with the lane's number."""
LANE = "E2E_LANE"


class Lanes:
    """The pytest plugin of one lane."""

    def __init__(self, claims: Path, lane: int) -> None:
        self._claims = claims
        self._lane = lane
        self._mine: dict[str, bool] = {}

    @classmethod
    def from_environment(cls) -> Lanes | None:
        """None where this run is the only one."""
        folder = os.environ.get(CLAIMS)
        return cls(Path(folder), int(os.environ[LANE])) if folder else None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Odd lanes take the files in reverse order; the tests of a file stay in theirs."""
        if self._lane % 2:
            files = list(dict.fromkeys(item.path for item in items))
            items.sort(key=lambda item: -files.index(item.path))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """True: another lane has it, and nothing is to be done or told here."""
        return None if self._claimed(item.path.name) else True

    def _claimed(self, name: str) -> bool:
        if name not in self._mine:
            try:
                with (self._claims / name).open("x") as claim:
                    claim.write(str(self._lane))
            except FileExistsError:
                self._mine[name] = False
            else:
                self._mine[name] = True
        return self._mine[name]
