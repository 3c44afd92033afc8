"""What of a state is reported where all of it would be too large."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.domain.nodestate.fitting import fitted
from nmstate_k8s.domain.nodestate.report import Report, reported, shown


def state(*, routes: int = 0, rules: int = 0, interfaces: int = 2, details: int = 0, other: int = 0) -> dict[str, Any]:
    """A node with so many of each; details and other in bytes."""
    default = {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "table-id": 254}
    running = [{**default, "destination": f"10.{n // 256}.{n % 256}.0/24"} for n in range(routes)]
    return {
        "hostname": {"running": "n1"},
        "interfaces": [
            {"name": f"eth{n}", "type": "ethernet", "state": "up", "mtu": 1500, "ethtool": {"x": "y" * details}}
            for n in range(interfaces)
        ],
        "ovs-db": {"external_ids": {"a": "b" * other}},
        "route-rules": {"config": [{"ip-to": f"10.0.{n}.0/24", "route-table": 200} for n in range(rules)]},
        "routes": {"config": running[:10], "running": [*running, default]},
    }


def report(value: dict[str, Any]) -> Report:
    return reported(msgspec.json.encode(value))


def data(made: Report) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made.value))
    return decoded


def test_what_fits_is_reported_whole() -> None:
    """And nothing is said about it."""
    whole = report(state(routes=100))
    assert fitted(whole, whole.size) == (whole, "")


def test_running_routes_go_first_and_the_default_route_stays() -> None:
    """As many as need be, from the end: the default route stands there and is what people look for."""
    whole = report(state(routes=1000, rules=5))
    made, left_out = fitted(whole, whole.size - 10_000)
    running = data(made)["routes"]["running"]
    assert whole.size - 10_200 < made.size <= whole.size - 10_000
    assert running[-1]["destination"] == "0.0.0.0/0"
    assert running[0]["destination"] == "10.0.0.0/24"
    assert left_out == f"{1001 - len(running)} of 1001 entries of routes.running"
    assert made.interfaces == whole.interfaces
    assert len(data(made)["routes"]["config"]) == 10


def test_then_other_routes_and_rules() -> None:
    """Interfaces are what consoles show: they stay whole."""
    whole = report(state(routes=100, rules=100))
    made, left_out = fitted(whole, whole.size - len(whole.rest) + 1500)
    assert made.interfaces == whole.interfaces
    assert "100 of 101 entries of routes.running" in left_out
    assert "10 of 10 entries of routes.config" in left_out
    assert "of 100 entries of route-rules.config" in left_out


def test_then_details_of_interfaces_from_the_last_one() -> None:
    """Name, type, state and MTU stay."""
    whole = report(state(interfaces=10, details=1000))
    made, left_out = fitted(whole, whole.size - 2500)
    assert "details of 3 of 10 interfaces" in left_out
    assert made.interfaces[:7] == whole.interfaces[:7]
    assert data(made)["interfaces"][9] == {"name": "eth9", "type": "ethernet", "state": "up", "mtu": 1500}


def test_then_other_parts_and_interfaces_last() -> None:
    """Whatever it is, something is reported."""
    whole = report(state(interfaces=100, other=5000))
    made, left_out = fitted(whole, 3000)
    assert "all of ovs-db" in left_out
    assert "of 100 interfaces" in left_out
    assert data(made)["interfaces"][0]["name"] == "eth0"
    assert data(made).get("ovs-db") is None


@pytest.mark.parametrize("rest", [b"{}", b'{"routes":null}', b'{"routes":{"running":null}}', b'{"routes":{}}'])
def test_states_without_routes_are_states(rest: bytes) -> None:
    """An nmstate that leaves them out is not to end the handler."""
    made, left_out = fitted(Report((b'{"name":"a"}',) * 10, rest), 60)
    assert made.size <= 60
    assert "interfaces" in left_out


@given(
    st.builds(
        state,
        routes=st.integers(0, 50),
        rules=st.integers(0, 50),
        interfaces=st.integers(0, 20),
        details=st.integers(0, 200),
        other=st.integers(0, 3000),
    ),
    st.integers(10, 10_000),
)
def test_any_state_fits_any_limit(value: dict[str, Any], limit: int) -> None:
    """It fits, is the same when read back, and is the same when fitted again."""
    whole = report(value)
    made, left_out = fitted(whole, limit)
    assert made.size <= limit
    assert bool(left_out) == (made != whole)
    assert shown(msgspec.json.encode(made.value)) == made
    assert fitted(whole, limit) == (made, left_out)
    assert fitted(made, limit) == (made, "")
