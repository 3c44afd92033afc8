"""Durations as Go writes them."""

from datetime import timedelta

import pytest

from nmstate_k8s.api.durations import go_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8760h0m0s", 8760 * 3600),
        ("24h", 86400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("2us", 2e-6),
        ("2µs", 2e-6),
        ("0s", 0),
        ("99999999999h", 100 * 365 * 86400),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """In any unit, several of them added up; what is longer than a century is a century."""
    assert go_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-1h", "1h ", "1d", "forever"])
def test_what_is_none_is_told(text: str) -> None:
    """With the text."""
    with pytest.raises(ValueError, match="no duration"):
        go_duration(text)
