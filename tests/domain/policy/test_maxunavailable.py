"""maxUnavailable, scaled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.domain.policy.maxunavailable import scaled


@pytest.mark.parametrize(
    ("value", "total", "nodes"),
    [
        pytest.param(None, 10, 5, id="default"),
        pytest.param(None, 3, 2, id="default rounds up"),
        pytest.param("50%", 1, 1, id="one node"),
        pytest.param("33%", 10, 4, id="rounds up"),
        pytest.param("0%", 10, 1, id="no less than one, of percent"),
        pytest.param(0, 10, 1, id="no less than one"),
        pytest.param(3, 10, 3, id="number"),
        pytest.param(30, 10, 30, id="more than there are"),
        pytest.param("100%", 10, 10, id="all"),
        pytest.param("3", 10, 5, id="a string without percent is invalid"),
        pytest.param("many", 10, 5, id="a word is invalid"),
        pytest.param("-5%", 10, 5, id="negative percentage"),
        pytest.param(-2, 10, 5, id="negative number"),
        pytest.param("", 10, 5, id="empty"),
        pytest.param("9" * 5_000 + "%", 10, 5, id="more digits than Python reads"),
        pytest.param("\u0665\u0660%", 10, 5, id="other digits"),
        pytest.param("10%", 0, 1, id="no nodes"),
    ],
)
def test_scaled(value: int | str | None, total: int, nodes: int) -> None:
    """What is invalid means the default of 50 %."""
    assert scaled(value, total) == nodes


@given(st.integers(0, 100), st.integers(1, 5000))
def test_a_percentage_is_never_less_than_its_share_nor_a_whole_node_more(percent: int, total: int) -> None:
    """Rounded up, and at least one."""
    nodes = scaled(f"{percent}%", total)
    assert max(1, percent * total / 100) <= nodes < max(1, percent * total / 100) + 1
