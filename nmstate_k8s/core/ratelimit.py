"""How long to hold a key, or oneself, back.

* `ItemBackoff`: per item, doubling from `base` to `limit`, forgotten on success. 0.05 s doubled ten times
  is 51 s: a key that fails for good is tried about once a minute.
* `TokenBucket`: `rate` a second on average, `burst` at once, over all items.
* `MaxOf`: the longest of several.
* `Backoff`: for one loop that retries the same thing, with jitter.

All of it is arithmetic: nobody here sleeps.
"""

import random
from collections.abc import Hashable
from typing import Protocol

from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock

__all__ = ["Backoff", "ItemBackoff", "MaxOf", "RateLimiter", "TokenBucket", "default_limiter"]


class RateLimiter(Protocol):
    """Decides when an item may be tried again."""

    def when(self, item: Hashable) -> float:
        """Seconds to wait; each call counts as a failure."""

    def forget(self, item: Hashable) -> None:
        """The item is well: its next failure is its first."""

    def failures(self, item: Hashable) -> int:
        """How often it failed since it was last forgotten."""


class ItemBackoff:
    """Doubles per item."""

    def __init__(self, base: float = 0.05, limit: float = 60.0) -> None:
        self._base = base
        self._limit = limit
        self._failures: dict[Hashable, int] = {}

    def when(self, item: Hashable) -> float:
        failures = self._failures.get(item, 0)
        self._failures[item] = failures + 1
        # 2**1000 would still be a float; the exponent is capped for the arithmetic's sake.
        return min(self._limit, self._base * 2.0 ** min(failures, 64))

    def forget(self, item: Hashable) -> None:
        self._failures.pop(item, None)

    def failures(self, item: Hashable) -> int:
        return self._failures.get(item, 0)


class TokenBucket:
    """Bounds the rate over all items; a caller is told to wait for its token, which is then spent."""

    def __init__(self, rate: float = 10.0, burst: int = 100, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._tokens = self._burst
        self._at = clock.monotonic()

    def when(self, item: Hashable) -> float:
        self._refill()
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def allow(self) -> bool:
        """Take a token if there is one now."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def forget(self, item: Hashable) -> None:
        """Tokens are not given back."""

    def failures(self, item: Hashable) -> int:
        return 0

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class MaxOf:
    """The most patient of several limiters."""

    def __init__(self, *limiters: RateLimiter) -> None:
        self._limiters = limiters

    def when(self, item: Hashable) -> float:
        return max(limiter.when(item) for limiter in self._limiters)

    def forget(self, item: Hashable) -> None:
        for limiter in self._limiters:
            limiter.forget(item)

    def failures(self, item: Hashable) -> int:
        return max(limiter.failures(item) for limiter in self._limiters)


def default_limiter(clock: Clock = SYSTEM_CLOCK) -> RateLimiter:
    """Per item up to a minute; over all items ten retries a second after a burst of a hundred."""
    return MaxOf(ItemBackoff(), TokenBucket(clock=clock))


class Backoff:
    """Delays for a loop: doubling, spread over their upper half, so that many processes do not march in step."""

    def __init__(self, base: float = 0.5, limit: float = 30.0) -> None:
        self._base = base
        self._limit = limit
        self.failures = 0

    def next(self) -> float:
        """The delay before the next try."""
        step = min(self._limit, self._base * 2.0 ** min(self.failures, 64))
        self.failures += 1
        return step * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """All is well."""
        self.failures = 0
