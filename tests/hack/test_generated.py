"""Generated files: written where they differ, removed where they are not wanted; or only told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack import generated


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one file that is right, one that is stale and one that is not wanted."""
    monkeypatch.setattr(generated, "ROOT", tmp_path)
    for name, text in (("right", "1"), ("stale", "1"), ("extra", "1")):
        (tmp_path / name).write_text(text)
    return tmp_path


def _settle(root: Path, *, check: bool) -> int:
    wanted = {root / "right": "1", root / "stale": "2", root / "in/a/folder": "3"}
    return generated.settle(wanted, root.glob("*a*"), check=check, again="hack/this")


def test_a_check_changes_nothing_and_names_each_difference(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that mends them."""
    assert _settle(root, check=True) == 1
    assert {path.name: path.read_text() for path in root.iterdir()} == {"right": "1", "stale": "1", "extra": "1"}
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"{name} is out of date" for name in ("stale", "in/a/folder", "extra")]
    assert "run hack/this" in told.err


def test_what_is_written_needs_no_second_time(root: Path) -> None:
    """Afterwards the check finds nothing."""
    assert _settle(root, check=False) == 0
    assert (root / "stale").read_text() == "2"
    assert (root / "in/a/folder").read_text() == "3"
    assert not (root / "extra").exists()
    assert _settle(root, check=True) == 0
