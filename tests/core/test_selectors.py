"""Whether an object is one of a selection, as the API server would say."""

import pytest

from nmstate_k8s.core.selectors import matches_labels

LABELS = {"app": "nmstate", "example.com/tier": "", "a": "1"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("app=nmstate", True),
        ("app==nmstate, a=1", True),
        ("app=other", False),
        ("app=nmstate,a=2", False),
        ("absent=x", False),
        ("app!=other,absent!=x", True),
        ("app!=nmstate", False),
        ("app", True),
        ("!app", False),
        ("!absent", True),
        ("example.com/tier", True),
        ("example.com/tier=", True),
        ("app in (a,b)", True),
    ],
)
def test_a_selector_is_decided_where_it_can_be(selector: str, expected: bool) -> None:
    """Sets are not: they may match."""
    assert matches_labels(selector, LABELS) is expected
