"""A loop whose time goes on only when nothing is left to do: hours of a simulation in a moment, always the same.

Each turn of the loop takes a microsecond besides, as a real one takes some: a wait that is rounded to nothing does not
go on for ever.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_virtually"]

TURN = 1e-6

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type, unused-ignore]
    """Waits by moving the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else: nothing will ever happen")
        self.now += max(timeout, 0.0) + TURN
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, on a loop of its own.

    :raises RuntimeError: if it waits for what cannot happen.
    """
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
