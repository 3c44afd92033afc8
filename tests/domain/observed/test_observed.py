"""What of our objects is counted: bounded, whatever a node writes, and never drifting."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.observed.nodestate import counted, counts
from nmstate_k8s.domain.observed.tally import Tally
from nmstate_k8s.domain.observed.words import MOST, OTHER, distinct, word


def node_state(state: Any) -> Object:
    """A NodeNetworkState as the API server has it."""
    return Object.from_dict(
        {"metadata": {"name": "n", "uid": "u", "resourceVersion": "7"}, "status": {"currentState": state}}
    )


def slim(whole: Object) -> Object:
    """What is kept of one: its name, say, and the counts."""
    meta = whole.metadata
    named = {"metadata": {"name": meta.name, "uid": meta.uid, "resourceVersion": meta.resource_version}}
    return counted(whole, Object.from_dict(named))


def route(destination: str, interface: str = "eth0", **more: Any) -> dict[str, Any]:
    """A route of a state."""
    return {"destination": destination, "next-hop-interface": interface, **more}


def test_interfaces_are_counted_by_type_and_the_state_is_dropped() -> None:
    """What is kept of a large state is its name, its version and a few numbers."""
    interfaces = [{"name": f"eth{number}", "type": "ethernet", "mtu": 1500} for number in range(500)]
    whole = node_state({"interfaces": [*interfaces, {"name": "b", "type": "bond"}, {"name": "odd"}]})
    kept = slim(whole)
    assert counts(kept).interfaces == {"ethernet": 500, "bond": 1, OTHER: 1}
    assert (kept.name, kept.uid, kept.metadata.resource_version) == ("n", "u", "7")
    assert len(kept.raw) < 200 < len(whole.raw)


@pytest.mark.parametrize(
    ("running", "config", "expected"),
    [
        pytest.param([route("10.0.0.0/8")], [], {"ipv4/dynamic": 1}, id="nobody configured it"),
        pytest.param([route("10.0.0.0/8")], [route("10.0.0.0/8")], {"ipv4/static": 1}, id="configured"),
        pytest.param([route("::/0", metric=100)], [route("::/0")], {"ipv6/static": 1}, id="whatever the metric"),
        pytest.param(
            [route("0.0.0.0/0", metric=100), route("0.0.0.0/0", metric=20100)],
            [route("0.0.0.0/0", metric="100", **{"table-id": 254})],
            {"ipv4/static": 1, "ipv4/dynamic": 1},
            id="a default route of one's own beside that of DHCP",
        ),
        pytest.param(
            [route("10.0.0.0/8", **{"table-id": 5})], [route("10.0.0.0/8")], {"ipv4/dynamic": 1}, id="another table"
        ),
        pytest.param(
            [route("10.0.0.0/8", **{"table-id": 254, "metric": 0})],
            [route("10.0.0.0/8", **{"table-id": 0, "metric": -1})],
            {"ipv4/static": 1},
            id="defaults that are spelt out",
        ),
        pytest.param(
            [route("10.0.0.0/8", "eth1")], [route("10.0.0.0/8", "eth0")], {"ipv4/dynamic": 1}, id="another interface"
        ),
    ],
)
def test_a_route_is_static_where_the_configuration_has_it(
    running: list[Any], config: list[Any], expected: dict[str, int]
) -> None:
    """What runs and is not configured comes from the network."""
    kept = slim(node_state({"routes": {"running": running, "config": config}}))
    assert counts(kept).routes == expected


@pytest.mark.parametrize(
    "state",
    [None, {}, [], "text", {"interfaces": {"a": 1}}, {"interfaces": [1]}, {"routes": {"running": [{"metric": []}]}}],
)
def test_a_state_that_is_none_counts_as_nothing(state: Any) -> None:
    """And is not kept."""
    kept = slim(node_state(state))
    assert counts(kept).interfaces == {}
    assert counts(kept).routes == {}


def test_a_node_cannot_make_endless_series() -> None:
    """Neither by the number of its words nor by their form."""
    interfaces = [{"type": f"t{number}"} for number in range(1000)] + [{"type": 'x"} 1'}, {"type": "y" * 64}]
    found = counts(slim(node_state({"interfaces": interfaces}))).interfaces
    assert len(found) <= MOST
    assert sum(found.values()) == 1002
    assert len(distinct(f"f{number}" for number in range(1000))) == MOST
    assert word("a\nb") == word("") == word(None) == OTHER


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.none() | st.dictionaries(st.tuples(st.sampled_from("abc")), st.integers(1, 5), max_size=3),
        )
    )
)
def test_a_tally_is_the_sum_of_what_is_there(steps: list[tuple[int, dict[tuple[str], int] | None]]) -> None:
    """After any changes, in any order; what is zero is not there."""
    tally = Tally()
    there: dict[int, dict[tuple[str], int]] = {}
    for source, brings in steps:
        if brings is None:
            tally.remove(source)
            there.pop(source, None)
        else:
            tally.put(source, brings)
            there[source] = brings
    expected: dict[tuple[str, ...], int] = {}
    for each in there.values():
        for labels, number in each.items():
            expected[labels] = expected.get(labels, 0) + number
    assert dict(tally) == expected
    assert len(tally) == len(expected)
