"""When the node's state is to be looked at again: a pure function, so that it can be read and tested.

- Asked for (a forced refresh, the end of a transaction, a deleted report): now.
- Something changed: after a short moment for the burst to end; while changes go on, at most one write in ten
  seconds, and never more than a fifth of the time spent on looking.
- Nothing: after a minute, give or take ten percent, so that a thousand nodes do not look at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace", "PERIOD_SECONDS"]

PERIOD_SECONDS = 60.0
JITTER = 0.1
SETTLE_SECONDS = 0.3
WRITE_SECONDS = 10.0
REST = 4.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What happened so far, in monotonic seconds."""

    looked: float | None = None
    """When the last look ended; None: there was none."""
    took: float = 0.0
    wrote: float | None = None
    urgent: bool = False
    changed: float | None = None
    """When something changed that was not looked at."""
    jitter: float = 0.0
    """Between -1 and 1, drawn anew for each period."""

    def due(self) -> float:
        """When to look; 0 is long ago."""
        if self.urgent or self.looked is None:
            return 0.0
        periodic = self.looked + PERIOD_SECONDS * (1 + JITTER * self.jitter)
        if self.changed is None:
            return periodic
        earliest = [self.changed + SETTLE_SECONDS, self.looked + REST * self.took]
        if self.wrote is not None:
            earliest.append(self.wrote + WRITE_SECONDS)
        return min(periodic, max(earliest))
