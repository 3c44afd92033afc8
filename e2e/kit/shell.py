"""Commands that tell what they printed when they fail, and waiting for a condition."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

__all__ = ["ROOT", "CommandFailed", "eventually", "run"]

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


class CommandFailed(AssertionError):
    """A command ended with another status than 0; the text holds all that it printed."""

    def __init__(self, argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.stdout = done.stdout
        self.stderr = done.stderr
        super().__init__(f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")


def run(
    *argv: str,
    input: str | None = None,
    check: bool = True,
    timeout: float = 180,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, output captured as text.

    Raises CommandFailed where `check` is set and the status is not 0.
    """
    done = subprocess.run(
        argv, input=input, capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=env, check=False
    )
    if check and done.returncode != 0:
        raise CommandFailed(argv, done)
    return done


def eventually(what: str, probe: Callable[[], T | None], *, timeout: float, every: float = 0.25) -> T:
    """The first truthy answer of `probe`; after `timeout` seconds an AssertionError with `what` and the last answer."""
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            answer = probe()
        except (CommandFailed, subprocess.TimeoutExpired) as error:
            answer, last = None, error
        else:
            last = answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}; the last answer was {last!r}")
        time.sleep(every)
