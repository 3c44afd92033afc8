"""A wall clock that goes with the event loop.

On a loop with virtual time (looptime's) sleeping costs nothing, and `now` moves exactly as far as was slept.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["START", "LoopClock", "until"]

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


async def until(condition: Callable[[], object], seconds: float = 30, *, every: float = 0.05) -> None:
    """Wait for a condition of the world, looking often. On virtual time that costs nothing.

    :raises TimeoutError: if it does not hold within `seconds`.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the world has no event to wait for
            await asyncio.sleep(every)


class LoopClock:
    """`Clock` by the running loop's time; `skew` moves the wall clock alone, as NTP or an admin does."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.skew = timedelta(0)

    def now(self) -> datetime:
        return self._start + self.skew + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
