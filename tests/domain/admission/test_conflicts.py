"""Policies that set the same thing differently: told, and not refused. Needs the wheel, not a network."""

from __future__ import annotations

from typing import Any

import pytest

from nmstate_k8s.domain.admission.review import MAX_WARNINGS
from tests.domain.admission.asking import bond, eth1, judged, node, other

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")


def warned(desired: Any, theirs: Any, *more: Any, **spec: Any) -> tuple[str, ...]:
    """Of a policy beside another one that matches every node."""
    return judged(desired, others=[other("theirs", theirs), node("n1"), *more], **spec).warnings


@pytest.mark.parametrize(
    ("mine", "theirs", "words"),
    [
        (eth1(mtu=9000), eth1(mtu=1500), "interfaces[eth1].mtu 1500, here 9000"),
        (eth1(), {"interfaces": [{"name": "eth1", "state": "absent"}]}, "interfaces[eth1].state absent, here up"),
        (eth1(ipv4={"enabled": False}), eth1(ipv4={"enabled": True}), "interfaces[eth1].ipv4.enabled true, here false"),
        (
            bond("eth1", "eth2"),
            {"interfaces": [{"name": "br1", "type": "linux-bridge", "bridge": {"port": [{"name": "eth2"}]}}]},
            "the controller of eth2 br1, here bond0",
        ),
        (bond("eth1"), bond("eth1", "eth2"), "interfaces[bond0].link-aggregation.port eth1, eth2, here eth1"),
        (
            {"dns-resolver": {"config": {"server": ["192.0.2.1"]}}},
            {"dns-resolver": {"config": {"server": ["192.0.2.2"]}}},
            "dns-resolver.config.server 192.0.2.2, here 192.0.2.1",
        ),
        ({"hostname": {"config": "a"}}, {"hostname": {"config": "b"}}, "hostname.config b, here a"),
        (
            {"ovn": {"bridge-mappings": [{"localnet": "net", "bridge": "br1"}]}},
            {"ovn": {"bridge-mappings": [{"localnet": "net", "bridge": "br2"}]}},
            "ovn.bridge-mappings[net].bridge br2, here br1",
        ),
        (
            {"routes": {"config": [{"destination": "198.51.100.0/24", "next-hop-interface": "eth1"}]}},
            {
                "routes": {
                    "config": [{"destination": "198.51.100.0/24", "next-hop-interface": "eth1", "state": "absent"}]
                }
            },
            "the route to 198.51.100.0/24",
        ),
    ],
)
def test_the_same_thing_set_differently_is_told(mine: Any, theirs: Any, words: str) -> None:
    """Which policy, on which node, what it says and what this one says."""
    (warning,) = warned(mine, theirs)
    assert warning.startswith('policy "theirs" says otherwise for node n1: ')
    assert words in warning


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (eth1(mtu="9000"), eth1(mtu=9000)),
        (eth1(**{"mac-address": "02:AA:00:00:00:01"}), eth1(**{"mac-address": "02:aa:00:00:00:01"})),
        (bond("eth1", "eth2"), bond("eth2", "eth1")),
        (eth1(mtu=9000), {"interfaces": [{"name": "eth2", "type": "ethernet", "mtu": 1500}]}),
        (eth1(mtu=9000), eth1(ipv4={"enabled": False})),
        (eth1(description="a"), eth1(description="b")),
        (
            {"interfaces": [{"name": "br1", "type": "ovs-bridge", "state": "up"}]},
            {"interfaces": [{"name": "br1", "type": "ovs-interface", "state": "absent"}]},
        ),
        (
            {"routes": {"config": [{"destination": "198.51.100.0/24", "next-hop-interface": "eth1"}]}},
            {"routes": {"config": [{"destination": "198.51.100.0/24", "next-hop-interface": "eth2"}]}},
        ),
        (eth1(mtu=9000), None),
    ],
)
def test_what_goes_together_is_not_told(mine: Any, theirs: Any) -> None:
    """Text for a number, another order, another thing."""
    assert warned(mine, theirs) == ()


@pytest.mark.parametrize(
    ("mine", "theirs", "told"),
    [
        ({"a": "1"}, {"b": "2"}, " for node n1"),
        ({"a": "1"}, {"a": "2"}, None),
        ({"a": "1"}, {"c": "3"}, None),
        ({"a": "1"}, {"d": "4"}, " for the nodes that both select"),
        ({}, {}, " for node n1 and 2 more"),
    ],
)
def test_policies_conflict_where_they_meet(mine: dict[str, str], theirs: dict[str, str], told: str | None) -> None:
    """On a node that both select; a selector that selects none yet may select any."""
    there = [
        other("theirs", eth1(mtu=1500), nodeSelector=theirs),
        node("n1", a="1", b="2"),
        node("n2", c="3"),
        node("n3"),
    ]
    warnings = judged(eth1(mtu=9000), others=there, nodeSelector=mine).warnings
    assert [f"says otherwise{told}:" in warning for warning in warnings] == ([True] if told else [])


def test_a_policy_that_goes_is_in_nobodys_way() -> None:
    """Nor is the policy itself, as it was."""
    going = other("theirs", eth1(mtu=1500))
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    itself = other("one", eth1(mtu=1500))
    assert judged(eth1(mtu=9000), others=[going, itself, node("n1")]).warnings == ()


def test_a_secret_is_in_no_warning() -> None:
    """That it is another one is told."""
    login = {"identity": "me", "eap-methods": ["peap"]}
    mine, theirs = (eth1(**{"802.1x": {**login, "password": word}}) for word in ("hunter-two", "hunter-three"))
    (warning,) = warned(mine, theirs)
    assert "802.1x.password is another one there" in warning
    assert "hunter" not in warning


def test_many_conflicts_are_told_in_few_words() -> None:
    """Two settings of each policy, and at most so many policies."""
    others = [
        other(f"p{number}", eth1(mtu=1500, ipv4={"enabled": False}, lldp={"enabled": False})) for number in range(20)
    ]
    mine = eth1(mtu=9000, ipv4={"enabled": True}, lldp={"enabled": True})
    warnings = judged(mine, others=[*others, node("n1")]).warnings
    assert len(warnings) == MAX_WARNINGS
    assert warnings[0].endswith("; 1 more settings")
