"""When the node's state is to be looked at again: a pure function, so that it can be read and tested.

- Asked for (a forced refresh, the end of a transaction, a deleted report): now.
- Something changed (and its burst had a moment to end, see `domain.host.netlink`): now; while changes go on, at most
  one write in ten seconds.
- Nothing: after a minute, give or take ten percent, so that a thousand nodes do not look at the same time.
- Never more than a fifth of the time is spent on looking: with a thousand interfaces a look takes long.
- After failures: at growing intervals, whatever changes meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace", "PERIOD_SECONDS"]

PERIOD_SECONDS = 60.0
JITTER = 0.1
WRITE_SECONDS = 10.0
REST = 4.0
RETRY_SECONDS = 2.0


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
    failed: int = 0
    """Looks in a row that failed."""
    jitter: float = 0.0
    """Between -1 and 1, drawn anew for each period."""

    def due(self) -> float:
        """When to look; 0 is long ago."""
        if self.urgent or self.looked is None:
            return 0.0
        if self.failed:
            wait = min(RETRY_SECONDS * 2.0 ** min(self.failed - 1, 10), PERIOD_SECONDS)
            return self.looked + wait * (1 + JITTER * self.jitter)
        rested = self.looked + REST * self.took
        periodic = max(self.looked + PERIOD_SECONDS * (1 + JITTER * self.jitter), rested)
        if self.changed is None:
            return periodic
        earliest = [self.changed, rested]
        if self.wrote is not None:
            earliest.append(self.wrote + WRITE_SECONDS)
        return min(periodic, max(earliest))

    @property
    def cause(self) -> str:
        """Why to look, as one word."""
        if self.looked is None:
            return "start"
        if self.urgent:
            return "asked"
        if self.failed:
            return "retry"
        return "period" if self.changed is None else "change"
