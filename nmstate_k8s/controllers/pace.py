"""How often a policy's status may be written.

- A new generation: at once. Whoever edits a policy must not see conditions of the old one any longer.
- A new phase: at once too, as a rule. A burst of changes (every node of a large cluster rebooting) is slowed down
  to one a second.
- Numbers and messages within a phase: a second after the last write at the earliest.
"""

from __future__ import annotations

__all__ = ["Pace"]

from dataclasses import dataclass

INTERVAL = 1.0
BURST = 3.0


@dataclass(frozen=True)
class Pace:
    """The pace of one policy: when it was last written, and how many writes it may make out of turn then."""

    last: float = float("-inf")
    credit: float = BURST

    def wait(self, now: float, *, urgent: bool) -> float:
        """For how many seconds to put off a write; urgent: it brings a new phase."""
        waited = now - self.last
        if urgent and self._credit(now) >= 1:
            return 0.0
        return max(0.0, INTERVAL - waited)

    def written(self, now: float) -> Pace:
        """The pace after a write."""
        return Pace(now, max(0.0, self._credit(now) - 1))

    def _credit(self, now: float) -> float:
        return min(BURST, self.credit + (now - self.last) / INTERVAL)
