"""Runs that share end-to-end tests: each file is run once, by one of them, whole and in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.kit.lanes import Lanes

pytest_plugins = ["pytester"]


def _ran(pytester: pytest.Pytester, claims: Path, lane: int) -> list[str]:
    recorder = pytester.inline_run(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function", plugins=[Lanes(claims, lane)]
    )
    return [report.nodeid for report in recorder.getreports("pytest_runtest_logreport") if report.when == "call"]


def test_a_file_is_run_by_the_lane_that_claims_it(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(test_first="def test_a(): pass\ndef test_b(): pass", test_last="def test_c(): pass")
    (tmp_path / "test_first.py").write_text("another lane")

    assert _ran(pytester, tmp_path, lane=0) == ["test_last.py::test_c"]
    assert _ran(pytester, tmp_path, lane=1) == []
    assert (tmp_path / "test_last.py").read_text() == "0"


def test_odd_lanes_begin_at_the_other_end(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(test_first="def test_a(): pass\ndef test_b(): pass", test_last="def test_c(): pass")

    assert _ran(pytester, tmp_path, lane=1) == [
        "test_last.py::test_c",
        "test_first.py::test_a",
        "test_first.py::test_b",
    ]


def test_without_lanes_all_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("E2E_CLAIMS", raising=False)
    assert Lanes.from_environment() is None
