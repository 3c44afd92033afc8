"""Prometheus for tests is taken from the cache, and never half of it."""

from pathlib import Path

import pytest

from hack.cluster import prometheus
from hack.cluster.paths import Paths
from nmstate_k8s.testing.prometheus import FOLDER, MissingProgram, find_program


def test_the_kit_looks_where_the_programs_are_put() -> None:
    """Two places in the code, one in the cache."""
    assert prometheus.FOLDER == FOLDER


def test_half_of_it_counts_as_nothing(tmp_path: Path) -> None:
    """A fetch that was broken off is begun anew."""
    paths = Paths(cache=tmp_path, state=tmp_path / "state")
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "promtool").touch()
    assert prometheus.find(paths) is None
    (folder / "prometheus").touch()
    assert prometheus.find(paths) == folder


def test_a_machine_without_says_what_to_do(tmp_path: Path) -> None:
    """And one that has it on PATH uses that."""
    with pytest.raises(MissingProgram, match="run `hack/prometheus`"):
        find_program("promtool", {"XDG_CACHE_HOME": str(tmp_path), "PATH": ""})
    own = tmp_path / "promtool"
    own.touch(0o755)
    assert find_program("promtool", {"XDG_CACHE_HOME": "/nowhere", "PATH": str(tmp_path)}) == own
