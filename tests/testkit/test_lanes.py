"""Runs that share tests: each file is run once, by one of them, whole and in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmstate_k8s.testing.lanes import CLAIMS, Lanes, run

ROOT = Path(__file__).parents[2]

pytest_plugins = ["pytester"]


def _ran(pytester: pytest.Pytester, claims: Path, lane: int) -> list[str]:
    recorder = pytester.inline_run(
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
        plugins=[Lanes(claims, lane)],
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
    monkeypatch.delenv(CLAIMS, raising=False)
    assert Lanes.from_environment() is None


def test_two_files_of_one_name_are_two(pytester: pytest.Pytester, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        pytester.mkdir(folder).joinpath("test_same.py").write_text("def test_it(): pass")
    (tmp_path / "one:test_same.py").write_text("another lane")

    assert _ran(pytester, tmp_path, lane=0) == ["two/test_same.py::test_it"]


def test_all_is_run_once_and_the_worst_status_counts(
    pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]
) -> None:
    pytester.makeconftest(
        "from nmstate_k8s.testing.lanes import Lanes\n"
        "def pytest_configure(config):\n"
        "    config.pluginmanager.register(Lanes.from_environment())\n"
    )
    pytester.makepyfile(test_one="def test_a(): pass", test_two="def test_b(): assert False", test_three="x = 1")

    assert run(["-q", "-p", "no:cacheprovider"], [{"PYTHONPATH": str(ROOT)}] * 2) == 1
    said = capfd.readouterr().out
    assert said.count("1 failed") == 1
    assert said.count("1 passed") == 1
