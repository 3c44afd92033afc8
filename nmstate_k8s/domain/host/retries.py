"""How often an attempt is made, and how long to wait between two: contract §3."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Retries"]


@dataclass(frozen=True, slots=True)
class Retries:
    """NNCP_MAX_RETRIES, NNCP_INITIAL_BACKOFF_SECONDS, NNCP_MAX_BACKOFF_SECONDS."""

    attempts: int = 5
    """Attempts at one generation, the first one included."""
    first_delay: float = 1.0
    longest_delay: float = 30.0

    def again_after(self, failed: int) -> float | None:
        """Seconds until the next attempt after so many have failed; None: there is none."""
        if failed >= self.attempts:
            return None
        return float(min(self.first_delay * 2.0 ** (failed - 1), self.longest_delay))

    def told(self, failed: int) -> str:
        """As scripts look for it: after the first failure of two attempts, `Retrying 2/2`."""
        return f"Retrying {failed + 1}/{self.attempts}"

    def given_up(self, failed: int) -> str:
        """What comes next when nothing does by itself."""
        return f"Given up after {failed} attempts, until the policy is changed" if failed > 1 else ""
