"""Metrics as the end-to-end tests read them."""

from __future__ import annotations

from e2e.kit.metrics import Metrics

TEXT = """HTTP/1.0 200 OK

# HELP looks Looks
looks_count{cause="period"} 3.0
looks_count{cause="change",kind="a \\"b\\", c"} 4.0
age_seconds 1.5e+01
"""


def test_samples_are_summed_over_the_labels_that_are_not_asked_for() -> None:
    """And one that is not there is 0, as a counter is before its first count."""
    metrics = Metrics(TEXT)
    assert metrics
    assert metrics.value("looks_count") == 7
    assert metrics.value("looks_count", cause="change") == 4
    assert metrics.value("looks_count", cause="asked") == 0
    assert metrics.value("age_seconds") == 15
    assert not Metrics("HTTP/1.0 503 no")
