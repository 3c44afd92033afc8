"""Metrics under controller-runtime's own names and labels, so that people's dashboards work.

* They live in a registry of our own: the process's figures are in it, Python's garbage collector is not.
* `METRICS` is what a process uses; a test may make `Metrics` of its own.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

__all__ = ["METRICS", "Metrics"]

RECONCILE_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
QUEUE_BUCKETS: Final = tuple(10.0**exponent for exponent in range(-8, 4))
"""Both are controller-runtime's own: a quantile over a mixed fleet needs the same bounds everywhere."""
WEBHOOK_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""client_golang's usual ones: controller-runtime has a native histogram here, which our client library has not."""


def _tasks() -> float:
    """Asked for where the figures are gathered: in the event loop."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0.0


class Metrics:
    """All families of the library, in one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry(auto_describe=True)
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        by, queue = ["controller"], ["name", "controller"]

        prefix = "controller_runtime_reconcile"
        self.reconcile_total = counter(f"{prefix}_total", "Reconciles", [*by, "result"])
        self.reconcile_errors = counter(f"{prefix}_errors_total", "Reconciles that failed", by)
        self.reconcile_timeouts = counter(f"{prefix}_timeouts_total", "Reconciles that took too long", by)
        self.reconcile_seconds = histogram(f"{prefix}_time_seconds", "Duration", by, RECONCILE_BUCKETS)
        self.terminal_errors = counter(
            "controller_runtime_terminal_reconcile_errors_total", "Reconciles that failed for good", by
        )
        self.reconcile_panics = counter(f"{prefix}_panics_total", "Reconciles that ended by a bug", by)
        self.max_workers = gauge("controller_runtime_max_concurrent_reconciles", "Workers", by)
        self.active_workers = gauge("controller_runtime_active_workers", "Workers at work", by)

        self.queue_depth = gauge("workqueue_depth", "Keys that wait", [*queue, "priority"])
        self.queue_adds = counter("workqueue_adds_total", "Keys added", queue)
        self.queue_retries = counter("workqueue_retries_total", "Keys added again after a failure", queue)
        self.queue_seconds = histogram(
            "workqueue_queue_duration_seconds", "How long a key waited", queue, QUEUE_BUCKETS
        )
        self.work_seconds = histogram(
            "workqueue_work_duration_seconds", "How long work on a key took", queue, QUEUE_BUCKETS
        )
        self.unfinished_seconds = gauge(
            "workqueue_unfinished_work_seconds", "Seconds of work in progress, not yet counted", queue
        )
        self.longest_running = gauge(
            "workqueue_longest_running_processor_seconds", "Age of the oldest work in progress", queue
        )

        hook = ["webhook"]
        prefix = "controller_runtime_webhook"
        self.webhook_requests = counter(f"{prefix}_requests_total", "Admission calls", [*hook, "code"])
        self.webhook_seconds = histogram(f"{prefix}_latency_seconds", "Duration", hook, WEBHOOK_BUCKETS)
        self.webhook_in_flight = gauge(f"{prefix}_requests_in_flight", "Admission calls at work", hook)
        self.webhook_panics = counter(f"{prefix}_panics_total", "Admission calls whose handler failed", [])
        self.certificate_reads = counter("certwatcher_read_certificate_total", "Serving certificates read", [])
        self.certificate_errors = counter(
            "certwatcher_read_certificate_errors_total", "Serving certificates that cannot be used", []
        )

        self.leader = gauge("leader_election_master_status", "1 if this process leads", ["name"])
        gauge("process_asyncio_tasks", "Tasks of the event loop", []).set_function(_tasks)
        self.requests = counter("rest_client_requests_total", "Requests to the API server", ["code", "method", "host"])

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: list[str], buckets: Sequence[float]) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def request(self, code: int | str, method: str, host: str) -> None:
        """Count one request."""
        self.requests.labels(str(code), method, host).inc()


def _process_metrics() -> Metrics:
    metrics = Metrics()
    ProcessCollector(registry=metrics.registry)
    return metrics


METRICS: Final = _process_metrics()
