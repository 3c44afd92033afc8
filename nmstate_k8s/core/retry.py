"""When a request is tried again.

* 429: always (the server did nothing), after what Retry-After says. An eviction that a disruption budget forbids
  is answered 429 too: that is the caller's business, and not repeated here.
* Refused connections: always (the server has not seen the request).
* 5xx, broken connections, timeouts: only what may be repeated without harm. A create is not, nor is a JSON patch,
  nor a deletion by name alone: another object may have taken the name meanwhile.
* Waits double from 0.2 s to 5 s, with jitter; Retry-After counts more, up to 30 s, and up to a tenth is added, so
  that those who were told the same do not come back together. The last error is raised.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from nmstate_k8s.core.errors import ApiError, ConnectionsReset, NeverSent, Throttled, Unavailable
from nmstate_k8s.core.transport import Request

__all__ = ["NO_RETRY", "RetryPolicy", "is_repeatable", "retry_after_seconds"]

_REPEATABLE_PATCHES: Final = frozenset({"application/apply-patch+yaml", "application/merge-patch+json"})


def is_repeatable(request: Request) -> bool:
    """Whether doing it twice leaves the world as doing it once."""
    if request.repeatable is not None:
        return request.repeatable
    if request.method == "PATCH":
        return request.content_type in _REPEATABLE_PATCHES
    return request.method in {"GET", "HEAD", "PUT"}


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """What Retry-After says, as seconds or as a date; None if it says nothing that can be read.

    A date is taken relative to the answer's own Date, so that it does not matter if our clock is wrong.
    """
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    until, now = _date(said), _date(headers.get("Date", ""))
    if until is None:
        return None
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently."""

    attempts: int = 5
    first_delay: float = 0.2
    max_delay: float = 5.0
    max_retry_after: float = 30.0

    def delay(self, error: ApiError, attempt: int, request: Request) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1) failed; None: give up."""
        if attempt >= self.attempts or not self._may_repeat(error, request):
            return None
        if error.retry_after is not None:
            return min(error.retry_after, self.max_retry_after) * random.uniform(1.0, 1.1)
        if isinstance(error, ConnectionsReset) and attempt == 1:
            return 0.0
        step = min(self.max_delay, self.first_delay * 2.0 ** (attempt - 1))
        return step * random.uniform(0.5, 1.0)

    def _may_repeat(self, error: ApiError, request: Request) -> bool:
        if isinstance(error, Throttled):
            return not error.by_disruption_budget
        if isinstance(error, NeverSent):
            return True
        # A resourceVersion from the future does not get better within seconds: the caller lists anew.
        if isinstance(error, Unavailable) and not error.too_large_resource_version:
            return is_repeatable(request)
        return False


NO_RETRY: Final = RetryPolicy(attempts=1)
