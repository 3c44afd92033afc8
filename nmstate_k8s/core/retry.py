"""When a request is tried again.

* 429: always (the server did nothing), after what Retry-After says.
* Refused connections: always (the server has not seen the request).
* 5xx, broken connections, timeouts: only what may be repeated without harm. A create is not.
* Waits double from 0.2 s to 5 s, with jitter; Retry-After counts more, up to 30 s. The last error is raised.
"""

import random
from dataclasses import dataclass
from typing import Final

from nmstate_k8s.core.errors import ApiError, ConnectionsReset, NeverSent, Throttled, Unavailable
from nmstate_k8s.core.transport import Request

__all__ = ["NO_RETRY", "RetryPolicy", "is_repeatable"]

_REPEATABLE_PATCHES: Final = frozenset({"application/apply-patch+yaml", "application/merge-patch+json"})


def is_repeatable(request: Request) -> bool:
    """Whether doing it twice leaves the world as doing it once."""
    if request.method == "PATCH":
        return request.content_type in _REPEATABLE_PATCHES
    return request.method in {"GET", "HEAD", "PUT", "DELETE"}


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
            return min(error.retry_after, self.max_retry_after)
        if isinstance(error, ConnectionsReset) and attempt == 1:
            return 0.0
        step = min(self.max_delay, self.first_delay * 2.0 ** (attempt - 1))
        return step * random.uniform(0.5, 1.0)

    def _may_repeat(self, error: ApiError, request: Request) -> bool:
        if isinstance(error, Throttled | NeverSent):
            return True
        # A resourceVersion from the future does not get better within seconds: the caller lists anew.
        if isinstance(error, Unavailable) and not error.too_large_resource_version:
            return is_repeatable(request)
        return False


NO_RETRY: Final = RetryPolicy(attempts=1)
