"""Checkpoints that are not ours: an administrator's, or another program's.

Each is waited for until its own timeout, or for 60 seconds from when it is first seen where it has none; then it
is rolled back, and told. NetworkManager takes its own timeouts back itself: a little patience leaves that to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nmstate_k8s.domain.host.protocol import Checkpoint
from nmstate_k8s.domain.host.requests import Request, RollBack, Wait

__all__ = ["next_foreign"]

WITHOUT_TIMEOUT = 60_000
PATIENCE = 2_000
LOOK_AGAIN = 2.0


def next_foreign(
    checkpoints: Sequence[Checkpoint], now: int, seen: Mapping[str, int]
) -> tuple[Request, Mapping[str, int]]:
    """What to do about the first one, and since when each was seen. Times in milliseconds since boot."""
    seen = {checkpoint.path: seen.get(checkpoint.path, now) for checkpoint in checkpoints}
    checkpoint = checkpoints[0]
    left = _end(checkpoint, seen[checkpoint.path]) - now
    if left <= 0:
        return RollBack(checkpoint.path, foreign=True), seen
    return Wait(min(left / 1000, LOOK_AGAIN), checkpoint.path, checkpoint.devices), seen


def _end(checkpoint: Checkpoint, first_seen: int) -> int:
    if checkpoint.rollback_timeout == 0:
        return first_seen + WITHOUT_TIMEOUT
    return checkpoint.created + checkpoint.rollback_timeout * 1000 + PATIENCE
