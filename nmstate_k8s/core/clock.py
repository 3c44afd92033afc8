"""Time as a dependency.

* `now` is for people and for the API: an aware datetime in UTC. It may jump.
* `monotonic` is for durations: it never goes back, and it counts the time for which the machine was
  suspended, so that a lease is not thought to be held after a nap.
* `sleep` waits by the event loop.

Timeouts and timers of the library are the event loop's own; under a virtual-time loop all of it is virtual.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock", "micro_time"]


class Clock(Protocol):
    """What the library asks of time."""

    def now(self) -> datetime:
        """The wall clock: aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""

    async def sleep(self, seconds: float) -> None:
        """Wait. Cancellation ends the wait at once."""


class SystemClock:
    """The machine's own clock."""

    # Linux counts suspended time in CLOCK_BOOTTIME only; elsewhere the plain monotonic clock has to do.
    _clock_id: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(self._clock_id)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


SYSTEM_CLOCK: Final[Clock] = SystemClock()


def micro_time(moment: datetime) -> str:
    """A moment in UTC as the API's MicroTime."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
