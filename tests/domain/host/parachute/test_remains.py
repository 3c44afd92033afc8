"""What a NetworkManager that died left in the kernel, and what of it is ours to take away."""

from __future__ import annotations

from typing import Any

from nmstate_k8s.domain.host.parachute.remains import remains

HOLE = {"destination": "10.96.0.1/32", "route-type": "blackhole", "table-id": 254}
OTHER = {"destination": "10.244.9.0/26", "route-type": "blackhole", "table-id": 254}
ROUTE = {"destination": "192.0.2.0/24", "next-hop-interface": "eth1", "table-id": 254}
RULE = {"family": "ipv4", "ip-to": "10.96.0.1/32", "action": "blackhole", "priority": 1100}
RULE_OF_PODS = {"family": "ipv4", "ip-from": "10.244.0.7/32", "route-table": 7, "priority": 1500}


def state(*routes: dict[str, Any], rules: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A node's."""
    return {"routes": {"config": [], "running": list(routes)}, "route-rules": {"config": list(rules)}}


def asked(*routes: dict[str, Any], rules: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A desired state."""
    return {"routes": {"config": list(routes)}, "route-rules": {"config": list(rules)}}


def test_what_the_change_asked_for_and_is_still_there_is_to_go() -> None:
    """However it was written; what it asked to be absent was there before."""
    desired = asked(
        {"destination": "10.96.0.1", "route-type": "blackhole"},
        {**OTHER, "state": "absent"},
        rules=({"ip-to": "10.96.0.1", "action": "blackhole"},),
    )
    after = state(ROUTE, HOLE, OTHER, rules=(RULE, RULE_OF_PODS))
    assert remains(state(ROUTE, OTHER), after, desired) == {"routes": [HOLE], "route-rules": [RULE]}


def test_what_was_there_before_stays() -> None:
    """Asked for or not."""
    both = state(HOLE, rules=(RULE,))
    assert remains(both, both, asked(HOLE, rules=(RULE,))) == {}


def test_what_others_added_meanwhile_is_theirs() -> None:
    """Networks of pods have such routes and rules."""
    after = state(OTHER, rules=(RULE_OF_PODS,))
    assert remains(state(), after, asked(HOLE, rules=(RULE,))) == {}
    assert remains({}, after, {}) == {}


def test_a_rule_of_the_same_network_that_does_something_else_is_another_one() -> None:
    """So is a route of another type."""
    after = state({**HOLE, "route-type": "prohibit"}, rules=({**RULE, "action": "prohibit"},))
    assert remains(state(), after, asked(HOLE, rules=(RULE,))) == {}


def test_what_is_no_network_is_nothing_that_libnmstate_made() -> None:
    """The way back goes on."""
    desired = asked({"destination": "everywhere", "route-type": "blackhole"}, rules=({"ip-to": "x", "fwmark": "y"},))
    assert remains(state(), state(HOLE), desired) == {}


def test_a_rule_of_the_other_family_is_another_one() -> None:
    """Neither names a network."""
    six, four = ({"family": family, "route-table": 7, "priority": 1200} for family in ("ipv6", "ipv4"))
    assert remains(state(rules=(six,)), state(rules=(six, four)), asked(rules=(four,))) == {"route-rules": [four]}


def test_a_rule_of_which_nothing_is_said_that_could_be_known_again_names_none() -> None:
    """It would name all."""
    assert remains(state(), state(rules=(RULE_OF_PODS,)), asked(rules=({"suppress-prefix-length": 0},))) == {}
