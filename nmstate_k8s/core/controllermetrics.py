"""What a controller tells of itself, under controller-runtime's names.

Every result is there from the start, as 0: a rate over a counter that appears with its first error misses it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.metrics import Metrics

__all__ = ["RESULTS", "ControllerMetrics", "Said"]

RESULTS: Final = ("error", "requeue_after", "requeue", "success")
"""`requeue` (at once, without a time) does not exist here; dashboards add it up all the same."""


class Said:
    """How a reconcile ended."""

    outcome = ""
    """One of RESULTS; empty if it was cancelled."""


class ControllerMetrics:
    """The figures of one controller."""

    def __init__(self, metrics: Metrics, name: str, workers: int) -> None:
        self._total = {result: metrics.reconcile_total.labels(name, result) for result in RESULTS}
        self._errors = metrics.reconcile_errors.labels(name)
        self._terminal = metrics.terminal_errors.labels(name)
        self._timeouts = metrics.reconcile_timeouts.labels(name)
        self._panics = metrics.reconcile_panics.labels(name)
        self._seconds = metrics.reconcile_seconds.labels(name)
        self._active = metrics.active_workers.labels(name)
        metrics.max_workers.labels(name).set(workers)

    @contextmanager
    def reconciling(self, clock: Clock) -> Iterator[Said]:
        """One reconcile, whatever becomes of it."""
        started = clock.monotonic()
        said = Said()
        self._active.inc()
        try:
            yield said
        finally:
            self._active.dec()
            self._seconds.observe(clock.monotonic() - started)
            if said.outcome:
                self._total[said.outcome].inc()

    def failed(self, *, terminal: bool = False, timeout: bool = False, bug: bool = False) -> None:
        """A reconcile failed, and how."""
        self._errors.inc()
        for happened, counter in ((terminal, self._terminal), (timeout, self._timeouts), (bug, self._panics)):
            if happened:
                counter.inc()
