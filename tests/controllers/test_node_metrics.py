"""What the handler counts of its transactions."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from nmstate_k8s.controllers.nodemetrics import NodeMetrics, ended_as
from nmstate_k8s.domain.host.outcome import Fault, Outcome
from nmstate_k8s.domain.host.prepare import Prepared
from nmstate_k8s.domain.host.probes.result import ProbeResult
from nmstate_k8s.testing.clock import LoopClock

PREPARED = Prepared(b"{}", {}, ())
FAULT = Fault("apply", "VerificationError", "odd")


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        pytest.param(Outcome("t", PREPARED), "unchanged", id="nothing to do"),
        pytest.param(Outcome("t", PREPARED, touched=True), "configured", id="done"),
        pytest.param(Outcome("t", PREPARED, FAULT), "refused", id="before anything was changed"),
        pytest.param(Outcome("t", PREPARED, FAULT, touched=True), "rolled-back", id="taken back"),
        pytest.param(Outcome("t", PREPARED, FAULT, touched=True, kept=True), "unsynced", id="kept, but not safe"),
        pytest.param(Outcome("t", PREPARED, FAULT, touched=True, stuck=True), "stuck", id="the way back failed"),
        pytest.param(Outcome("recovery", rollback_seconds=1.0), "recovered", id="another handler's"),
    ],
)
def test_how_a_transaction_ended_is_one_word(outcome: Outcome, word: str) -> None:
    """So that a rate of each can be drawn."""
    assert ended_as(outcome) == word


@pytest.mark.asyncio
async def test_stages_probes_and_rollbacks_are_measured(clock: LoopClock) -> None:
    """In seconds, by name."""
    metrics = NodeMetrics(CollectorRegistry(), clock=clock)
    probes = (
        ProbeResult("dns-ipv4", "dns", "Failed", 2500, "no answer"),
        ProbeResult("http https://example.com/a", "http", "Passed", 20),
        ProbeResult("ping-ipv6", "ping", "Skipped", 0),
    )
    metrics.transaction(
        Outcome("t", PREPARED, FAULT, touched=True, rollback_seconds=1.5, probes=probes, timing={"apply": 3.0})
    )
    metrics.transaction(Outcome("t", PREPARED, touched=True, timing={"apply": 1.0}))

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"nmstate_handler_{name}", labels)

    assert value("stage_seconds_sum", stage="apply") == 4
    assert value("stage_seconds_count", stage="apply") == 2
    assert value("probe_seconds_sum", probe="dns-ipv4", result="Failed") == 2.5
    assert value("probe_seconds_count", probe="http", result="Passed") == 1
    assert value("probe_seconds_count", probe="ping-ipv6", result="Skipped") is None
    assert value("transactions_total", outcome="rolled-back") == 1
    assert value("transactions_total", outcome="configured") == 1
    assert value("rollbacks_total") == 1
