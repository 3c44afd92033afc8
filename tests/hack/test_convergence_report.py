"""What `hack/convergence` makes of its trials' reports."""

import json
import subprocess
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "hack/convergence"
REPORT = """<testsuites><testsuite><testcase name="test_down" time="{time}">
<properties><property name="requests a second" value="{rate}"/></properties>{end}</testcase></testsuite></testsuites>"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The command, whose two trials are there already: one good, one bad."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("convergence", str(SCRIPT))
    loaded = module_from_spec(ModuleSpec(loader.name, loader, origin=str(SCRIPT)))
    loaded.__file__ = str(SCRIPT)
    monkeypatch.setitem(sys.modules, loader.name, loaded)
    loader.exec_module(loaded)
    reports = [REPORT.format(time=1.5, rate=0.1, end=""), REPORT.format(time=2.5, rate=0.9, end="<failure/>")]
    for number, text in enumerate(reports, start=1):
        (tmp_path / f"trial-{number}.xml").write_text(text)
    monkeypatch.setattr(loaded, "KEEP", tmp_path)
    monkeypatch.setattr(loaded, "trial", lambda number, options: tmp_path / f"trial-{number}.xml")
    return loaded


def test_trials_are_added_up(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A red trial makes the command fail, and is counted with its figures."""
    monkeypatch.setattr(sys, "argv", ["convergence", "--trials", "2", "--json"])
    assert script.main() == 1
    assert json.loads(capsys.readouterr().out) == {
        "down": {"n": 2, "ok": 1, "longest": 2.5, "figures": {"requests a second": ["0.1", "0.9"]}}
    }


def test_people_get_a_table(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All green is success."""
    monkeypatch.setattr(sys, "argv", ["convergence"])
    assert script.main() == 0
    assert "requests a second: 0.1" in capsys.readouterr().out


def test_half_a_minute_is_not_enough() -> None:
    """The rate is that of the steady part."""
    asked = subprocess.run([sys.executable, SCRIPT, "--minutes", "0.5"], capture_output=True, text=True, check=False)
    assert asked.returncode == 2
    assert "at least one minute" in asked.stderr
