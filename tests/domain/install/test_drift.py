"""When an object is as it ought to be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.domain.install.drift import holds

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_everything_holds_for_itself(value: Any) -> None:
    """What the server gives back unchanged is no drift."""
    assert holds(value, value)


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1, "b": 2}, True, id="the server's defaults are no drift"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another value"),
        pytest.param({"a": 1}, {}, False, id="a value that is gone"),
        pytest.param({"a": {"b": 1}}, {"a": {"c": 1}}, False, id="deep inside"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, False, id="an element too many"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, False, id="an element missing"),
        pytest.param({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True, id="defaults within elements"),
        pytest.param({"a": {}, "b": ""}, {}, True, id="empty values may be left out"),
        pytest.param({"a": {}}, {"a": {"b": 1}}, False, id="what was to be empty"),
        pytest.param({"a": 0}, {}, False, id="zero is a value"),
    ],
)
def test_drift(wanted: Any, found: Any, expected: bool) -> None:
    """Maps may grow, lists may not, values must be ours."""
    assert holds(wanted, found) is expected
