"""Commands of hack/ run on the locked dependencies, whichever Python they are called with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hack import locked


class _Gone(Exception):
    """The process is another one from here on."""


def test_another_python_goes_on_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same arguments."""

    def execute(program: Path, arguments: list[str]) -> None:
        raise _Gone(str(program), *arguments[1:])

    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.setattr(sys, "argv", ["hack/simulate", "--seeds", "3"])
    monkeypatch.setattr(os, "execv", execute)
    with pytest.raises(_Gone) as gone:
        locked.enter()
    assert gone.value.args == (str(locked.VENV / "bin/python"), "hack/simulate", "--seeds", "3")


def test_in_the_environment_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a command's child processes, which read it again, do not begin anew for ever."""
    monkeypatch.setattr(sys, "prefix", str(locked.VENV))
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("another process"))
    locked.enter()
