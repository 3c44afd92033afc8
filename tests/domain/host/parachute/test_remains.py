"""What a NetworkManager that died left in the kernel, and what of it is ours to take away."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.host.parachute.remains import foreseen, remains

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


def test_numbers_may_be_text() -> None:
    """libnmstate takes them so; the way back must not stumble over them."""
    routes = ({**HOLE, "metric": "5", "table-id": "254"},)
    rules = ({**RULE, "priority": "1100", "fwmark": "0x5"}, {**RULE_OF_PODS, "priority": "1500", "route-table": "7"})
    had = {**RULE, "fwmark": 5}
    after = state(HOLE, rules=(had, RULE_OF_PODS))
    assert remains(state(), after, asked(*routes, rules=rules)) == {
        "routes": [HOLE],
        "route-rules": [had, RULE_OF_PODS],
    }
    assert told(state(), asked(*routes, rules=rules)) == [
        "-4 route delete blackhole 10.96.0.1/32 table 254 metric 5",
        "-4 rule delete priority 1100 to 10.96.0.1/32 blackhole",
        "-4 rule delete priority 1500 from 10.244.0.7/32 table 7",
    ]


@pytest.mark.parametrize(
    ("more", "left"),
    [({"route-table": 7}, RULE), ({"action": None, "route-table": 0}, {**RULE, "action": None, "route-table": 254})],
    ids=["a table beside an action", "the main table as 0"],
)
def test_a_table_that_is_not_meant_or_not_named_is_no_difference(more: dict[str, Any], left: dict[str, Any]) -> None:
    """The kernel tells of none for such an action, and of the main one by its number."""
    desired = asked(rules=({**RULE, **more},))
    assert remains(state(), state(rules=(left,)), desired) == {"route-rules": [left]}
    assert told(state(rules=(left,)), desired) == []


def told(before: dict[str, Any], desired: dict[str, Any] | None) -> list[str]:
    """What `ip` is to be told if the change is not kept."""
    return foreseen(msgspec.json.encode(before), desired)


def test_what_is_foreseen_is_what_the_change_adds() -> None:
    """Of either family; a change without such things has the state before not even read."""
    six = {"destination": "2001:db8::/48", "route-type": "unreachable", "table-id": 7}
    coming = {"ip-to": "2001:db8::1", "iif": "eth1", "priority": 9, "action": "prohibit"}
    assert told(state(ROUTE, OTHER), asked(ROUTE, HOLE, six, {**OTHER, "state": "absent"}, rules=(coming,))) == [
        "-4 route delete blackhole 10.96.0.1/32 table 254",
        "-6 route delete unreachable 2001:db8::/48 dev lo table 7",
        "-6 rule delete priority 9 to 2001:db8::1/128 iif eth1 prohibit",
    ]
    assert foreseen(b"", {"interfaces": []}) == foreseen(b"", None) == []


@pytest.mark.parametrize(
    "desired",
    [
        asked({**ROUTE, "route-type": "blackhole", "next-hop-interface": None}),
        asked(rules=({"ip-from": "10.244.0.7", "priority": 1500},)),
        asked(rules=({"ip-from": "192.0.2.7", "route-table": 7},)),
        asked(rules=({"route-table": 254, "priority": 32766},)),
        asked(rules=({"priority": "many", "route-table": 7},)),
        asked({**HOLE, "route-type": "black\nhole"}, {**HOLE, "destination": "10.0.0.0/8; reboot"}),
        asked(rules=({**RULE, "action": "goto"}, {**RULE, "iif": "eth1 table 254"}, {**RULE, "iif": "eth1\nboot x"})),
    ],
    ids=["a route's place is taken", "a rule's too", "no priority", "the kernel's", "no number", "no route", "no rule"],
)
def test_what_could_be_taken_for_something_else_is_not_foreseen(desired: dict[str, Any]) -> None:
    """The kernel takes what is not said for any; the handler looks for itself."""
    assert told(state(ROUTE, rules=(RULE_OF_PODS,)), desired) == []
