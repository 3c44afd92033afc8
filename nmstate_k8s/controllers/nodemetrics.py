"""What the node's handler counts and measures, under `nmstate_handler_…`, beside controller-runtime's own figures.

They are read on the node, at the health address: `/metrics` on 127.0.0.1, since nothing of a handler is reachable
from outside.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.metrics import METRICS
from nmstate_k8s.domain.host.outcome import Outcome

__all__ = ["NODE_METRICS", "NodeMetrics", "ended_as"]

_PREFIX: Final = "nmstate_handler"
SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class NodeMetrics:
    """All families of the handler, in one registry."""

    def __init__(self, registry: CollectorRegistry, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.registry = registry
        self._clock = clock
        self._confirmed = clock.monotonic()
        self.stage_seconds = Histogram(
            f"{_PREFIX}_stage_seconds",
            "How long a stage of a transaction took",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.transactions = Counter(
            f"{_PREFIX}_transactions_total",
            "Transactions by how they ended: configured, unchanged, refused (nothing was changed), rolled-back,"
            " unsynced, stuck or recovered",
            ["outcome"],
            registry=registry,
        )
        self.probe_seconds = Histogram(
            f"{_PREFIX}_probe_seconds",
            "How long after an apply a probe passed or was given up",
            ["probe", "result"],
            buckets=SECONDS,
            registry=registry,
        )
        self.rollbacks = Counter(f"{_PREFIX}_rollbacks_total", "Changes that were taken back", registry=registry)
        age = Gauge(
            f"{_PREFIX}_state_age_seconds",
            "Seconds since the NodeNetworkState was last known to be true (since the start, before the first report)",
            registry=registry,
        )
        age.set_function(lambda: self._clock.monotonic() - self._confirmed)
        self.state_bytes = Gauge(f"{_PREFIX}_state_bytes", "The reported state, as JSON", registry=registry)
        self.state_interfaces = Gauge(f"{_PREFIX}_state_interfaces", "Interfaces in the report", registry=registry)
        self.look_seconds = Histogram(
            f"{_PREFIX}_state_look_seconds",
            "How long it took to look at the state and report it, by what it was looked at for: start, change, asked,"
            " period or retry",
            ["cause"],
            buckets=SECONDS,
            registry=registry,
        )
        self.state_writes = Counter(
            f"{_PREFIX}_state_writes_total",
            "Reports sent to the API server: patch or whole",
            ["kind"],
            registry=registry,
        )

    def transaction(self, outcome: Outcome) -> None:
        """A transaction, or the recovery of an earlier handler's one, has ended."""
        for stage, seconds in outcome.timing.items():
            self.stage_seconds.labels(stage).observe(seconds)
        for probe in outcome.probes:
            if probe.result != "Skipped":
                # What users probe is told by its kind: its name has their addresses, of which there is no end.
                name = probe.kind if probe.kind in ("tcp", "http") else probe.name
                self.probe_seconds.labels(name, probe.result).observe(probe.milliseconds / 1000)
        ended = ended_as(outcome)
        self.transactions.labels(ended).inc()
        if ended == "rolled-back" or outcome.rollback_seconds is not None:
            self.rollbacks.inc()

    def looked(self, cause: str, seconds: float, written: str) -> None:
        """The state was looked at. `written`: "patch" or "whole"; empty where nothing had changed."""
        self._confirmed = self._clock.monotonic()
        self.look_seconds.labels(cause).observe(seconds)
        if written:
            self.state_writes.labels(written).inc()

    def reported(self, size: int, interfaces: int) -> None:
        """The report is so large."""
        self.state_bytes.set(size)
        self.state_interfaces.set(interfaces)


def ended_as(outcome: Outcome) -> str:
    """The one word under which a transaction is counted."""
    if outcome.fault is None and outcome.prepared is None:
        return "recovered"
    if outcome.fault is None:
        return "configured" if outcome.touched else "unchanged"
    if outcome.stuck:
        return "stuck"
    if outcome.kept:
        return "unsynced"
    return "rolled-back" if outcome.touched else "refused"


NODE_METRICS: Final = NodeMetrics(METRICS.registry)
"""What a process uses; a test may make `NodeMetrics` of its own."""
