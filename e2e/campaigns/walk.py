"""A walk over states that goes from each to each other exactly once. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["every_pair"]


def every_pair(names: Sequence[str], *, seed: int) -> list[str]:
    """The states in the order of a closed walk: each ordered pair of two different ones stands in it once.

    Each state is left as often as it is entered, so such a walk exists (Euler) and is found by joining circles
    (Hierholzer). It has n * (n - 1) steps: for fifteen states 210 instead of 420 with a way back after each.
    """
    order = random.Random(seed)
    left = {name: order.sample([other for other in names if other != name], len(names) - 1) for name in names}
    path, walk = [order.choice(list(names))], []
    while path:
        if left[path[-1]]:
            path.append(left[path[-1]].pop())
        else:
            walk.append(path.pop())
    return walk[::-1]
