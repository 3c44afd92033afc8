"""How busy this machine is, so that a test which asks for seconds asks for what the machine can give.

Node, API server and test share two cores, often with other labs. A fixed bound is then either so wide that it asks for
nothing, or fails for noise. A bare `kubectl get` goes through the same cores, API server and etcd, and nothing of ours:
what takes many times as long on a machine that is quiet, takes so many times as long on one that is not.
"""

from __future__ import annotations

import statistics
import time

from e2e.kit.cluster import Cluster

__all__ = ["Pace"]

GETS = 8.0
"""On a quiet machine a bare get takes up to a quarter of a second: two seconds are eight of them."""


class Pace:
    """Seconds of bare gets, taken between the trials that they are compared with."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._taken: list[float] = []

    def take(self) -> None:
        """One more."""
        begun = time.monotonic()
        self._cluster.kubectl("get", "namespace", "default", "-o", "name")
        self._taken.append(time.monotonic() - begun)

    @property
    def median(self) -> float:
        """Of those that were taken."""
        return statistics.median(self._taken)

    def allows(self, seconds: float) -> float:
        """So many seconds on a quiet machine; more, as slow as this one was."""
        return max(seconds, seconds / 2.0 * GETS * self.median)

    def __str__(self) -> str:
        return f"bare gets took {', '.join(f'{each:.2f}' for each in self._taken)} s"
