"""What is told, and not refused: the node's own uplink, missing cards, what nmstate skips, what a deletion leaves."""

from __future__ import annotations

from typing import Any

import pytest

from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.admission.known import known_nodes, slim_node_state
from nmstate_k8s.domain.admission.review import validate
from nmstate_k8s.domain.kinds import NODE_STATES, NODES
from nmstate_k8s.domain.policy.facts import slim_node
from tests.domain.admission.asking import asked, bond, card, eth1, judged, node, node_state, other, policy, world

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")


# --- The node's own uplink ----------------------------------------------------------------------------------------

DEFAULT = {"running": [{"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "table-id": 254}]}
OVER_BOND = [
    card("eth0", controller="bond0"),
    {"name": "bond0", "type": "bond", "state": "up", "link-aggregation": {"mode": "balance-rr", "port": ["eth0"]}},
    {"name": "bond0.7", "type": "vlan", "state": "up", "vlan": {"base-iface": "bond0", "id": 7},
     "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.7", "prefix-length": 24}]}},
    card("eth1", "192.0.2.8"),
]  # fmt: skip


def touching(name: str) -> dict[str, Any]:
    return {"interfaces": [{"name": name, "type": "ethernet", "state": "up", "mtu": 1500}]}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bond0.7", "bond0.7 carries the address of node n1: "),
        ("bond0", "bond0 is below bond0.7, with the address of node n1: "),
        ("eth0", "eth0 is below bond0.7, with the address of node n1: "),
        ("eth1", None),
    ],
)
def test_touching_what_carries_the_nodes_address_is_told(name: str, words: str | None) -> None:
    """Also a port or the base of it."""
    there = [node("n1", "192.0.2.7"), node_state("n1", *OVER_BOND)]
    warnings = judged(touching(name), others=there).warnings
    assert [warning.startswith(words or "none") for warning in warnings] == ([True] if words else [])


def test_an_uplink_that_becomes_a_port_is_told() -> None:
    """And of several nodes one is named."""
    there = [
        thing
        for name in ("n1", "n2", "n3")
        for thing in (node(name, "192.0.2.7"), node_state(name, card("eth0", "192.0.2.7")))
    ]
    (warning,) = judged(bond("eth0", "eth1"), others=there).warnings
    assert warning.startswith("eth0 carries the address of node n1 and of 2 more: ")


def test_without_the_nodes_address_the_default_route_tells() -> None:
    """It is what the probes go by, too."""
    there = [node("n1"), node_state("n1", card("eth0", "192.0.2.7"), routes=DEFAULT)]
    assert len(judged(touching("eth0"), others=there).warnings) == 1


def test_only_nodes_that_the_policy_selects_count() -> None:
    """Another node's uplink may be called alike."""
    there = [node("n1", "192.0.2.7", a="1"), node_state("n1", card("eth0", "192.0.2.7"))]
    assert judged(touching("eth0"), others=there, nodeSelector={"a": "2"}).warnings == ()


def test_a_state_cut_down_says_the_same() -> None:
    """A cache of a thousand nodes keeps a few hundred bytes of each."""
    whole = node_state("n1", *OVER_BOND, routes=DEFAULT)
    whole["status"]["currentState"]["interfaces"][3]["dispatch"] = {"post-up": "x"}
    whole["metadata"]["managedFields"] = [{"manager": "x"}]
    whole["status"]["currentState"]["interfaces"].append(
        {"name": "v", "type": "veth", "lldp": {"neighbors": ["x" * 999]}}
    )
    state = Object.from_dict(whole, NODE_STATES)
    slim = slim_node_state(state)
    assert slim.name == "n1"
    assert len(slim.raw) < len(state.raw) - 999
    nodes = [slim_node(Object.from_dict(node("n1", "192.0.2.7"), NODES))]
    (one,), (two,) = known_nodes(nodes, [state]), known_nodes(nodes, [slim])
    assert one.uplinks == two.uplinks == {"bond0.7": "bond0.7", "bond0": "bond0.7", "eth0": "bond0.7"}
    assert two.interfaces["eth1"] == {"dispatch": {"post-up": "x"}}


# --- Cards that are not there -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("desired", "words"),
    [
        (touching("eth666"), "eth666 is there on no node that this policy selects (node n1 has eth0, eth1)"),
        (touching("eth1"), "eth1 is not there on node n2 and 1 more, of 3 that this policy selects"),
        (touching("eth0"), None),
        (touching("uplink"), "uplink is not there on node n2 and 1 more, of 3 that this policy selects"),
        (touching("sriov:eth0:1"), None),
        ({"interfaces": [{"name": "eth666", "type": "ethernet", "state": "absent"}]}, None),
        ({"interfaces": [{"name": "v0", "type": "veth", "state": "up", "veth": {"peer": "v1"}}]}, None),
        (
            {
                "interfaces": [
                    {
                        "name": "x",
                        "type": "ethernet",
                        "state": "up",
                        "identifier": "mac-address",
                        "mac-address": "02:00:00:00:00:01",
                    }
                ]
            },
            None,
        ),
        ({"interfaces": [{"name": "{{ capture.a.interfaces.0.name }}", "type": "ethernet", "state": "up"}]}, None),
    ],
)
def test_a_card_that_is_not_there_is_told(desired: Any, words: str | None) -> None:
    """It may come; but who misspelt it wants to know now. A node that reports nothing is not counted."""
    there = [
        *(node(name) for name in ("n1", "n2", "n3", "silent")),
        node_state("n1", card("eth0"), card("eth1", **{"alt-names": [{"name": "uplink"}]}), {"name": "lo"}),
        node_state("n2", card("eth0")),
        node_state("n3", card("eth0")),
    ]
    assert judged(desired, others=there, capture={"a": "interfaces"}).warnings == ((words,) if words else ())


@pytest.mark.parametrize("nonsense", [None, 1, "x", [], ["x"], {}, {"x": 1}, [{"x": []}], [["x"]]])
@pytest.mark.parametrize(
    "key", ["name", "alt-names", "controller", "ipv4", "vlan", "bridge", "link-aggregation", "dispatch", "802.1x"]
)
def test_whatever_a_node_reports_ends_no_judgement(nonsense: Any, key: str) -> None:
    """It is the node's own word. All of the policy is judged all the same."""
    state = node_state(
        "n1", {"name": "eth1", key: nonsense}, nonsense, routes={"running": [nonsense, {"destination": nonsense}]}
    )
    cut = slim_node_state(Object.from_dict(state, NODE_STATES)).to_dict()
    for report in (state, {"kind": "NodeNetworkState", **cut}):
        there = [other("theirs", eth1(mtu=1500)), node("n1", "192.0.2.7"), report]
        scripted = eth1(mtu=9000, dispatch={"post-activation": "x"})
        warnings = judged(scripted, others=there, allow_dispatch=True).warnings
        assert any("says otherwise" in warning for warning in warnings)
        assert not judged(eth1(mttu=9000), others=there).allowed
        assert not judged(eth1(dispatch={"post-activation": "x"}), others=there).allowed


def test_a_large_report_is_not_kept() -> None:
    """A thousand nodes must not fill the controller."""
    names = [{"name": f"{number:0100}"} for number in range(10_000)]
    assert len(slim_node_state(Object.from_dict(node_state("n1", *names), NODE_STATES)).raw) < 200


# --- What nmstate skips -------------------------------------------------------------------------------------------


def test_a_key_that_is_skipped_is_told() -> None:
    """One that is like no other is no misspelt one, and nmstate takes it."""
    (warning,) = judged(eth1(**{"802.1x": {"identity": "me", "anonymous": "you"}})).warnings
    assert warning.startswith("spec.desiredState.interfaces[0].802.1x.anonymous: nmstate does not read it")


def test_a_key_of_no_type_of_interface_is_told() -> None:
    """Only the node knows what eth1 is; what has a type is refused."""
    (warning,) = judged({"interfaces": [{"name": "eth1", "state": "up", "mttu": 9000, "min-mtu": 68}]}).warnings
    assert warning == 'spec.desiredState.interfaces[0].mttu: no type of interface has this key (did you mean "mtu"?)'
    assert judged({"interfaces": [{"name": "eth1", "state": "absent", "mttu": 9000}]}).warnings == ()
    assert not judged(eth1(mttu=9000)).allowed


def test_an_interface_that_is_there_twice_is_told() -> None:
    """nmstate takes the last, and says nothing. An OVS bridge and its interface are two things."""
    twice = {"interfaces": [*eth1(mtu=1500)["interfaces"], *eth1(mtu=9000)["interfaces"]]}
    (warning,) = judged(twice).warnings
    assert "eth1 is there again as interfaces[1]" in warning
    pair = [{"name": "br", "type": kind, "state": "absent"} for kind in ("ovs-bridge", "ovs-interface")]
    assert judged({"interfaces": pair}).warnings == ()


@pytest.mark.parametrize(
    ("family", "depends"),
    [
        ({"address": [{"ip": "192.0.2.1", "prefix-length": 24}]}, "address"),
        ({"address": [{"ip": "192.0.2.1", "prefix-length": 24}], "dhcp": True}, "address and dhcp"),
        ({"address": [], "dhcp": False}, ""),
        ({"enabled": True, "dhcp": True}, ""),
        ({"enabled": False, "dhcp": True}, ""),
    ],
)
def test_addresses_that_a_node_may_skip_are_told(family: dict[str, Any], depends: str) -> None:
    """Not refused: where the node has the family enabled they count."""
    verdict = judged(eth1(ipv4=family))
    assert verdict.allowed
    said = "spec.desiredState.interfaces[0].ipv4 does not say enabled: true: a node skips {} where it is not enabled"
    assert [each.removesuffix(" there already") for each in verdict.warnings] == (
        [said.format(depends)] if depends else []
    )
    assert judged({"interfaces": [{"name": "eth1", "state": "absent", "ipv4": family}]}).warnings == ()


# --- Deletion -----------------------------------------------------------------------------------------------------


def test_a_deletion_tells_what_it_leaves() -> None:
    """By name; a policy that took things away leaves nothing."""

    def deleted(desired: Any) -> tuple[str, ...]:
        verdict = validate(asked(None, policy("storage", desired)), world([]))
        assert verdict.allowed
        return verdict.warnings

    (warning,) = deleted({**bond("eth1"), "dns-resolver": {"config": {"server": ["192.0.2.1"]}}})
    assert warning.startswith("the nodes keep what policy storage set: interfaces bond0, DNS. ")
    assert warning.endswith("apply it with `state: absent` first")
    (card,) = deleted({"interfaces": [{"name": "eth1", "type": "ethernet", "mtu": 9000}]})
    assert "absent" not in card, "nobody should take the node's card away"
    assert deleted({"interfaces": [{"name": "bond0", "state": "absent"}]}) == ()
    assert deleted(None) == ()


def test_a_change_that_is_none_of_the_spec_tells_nothing() -> None:
    """Who labels a policy has heard it before."""
    old = policy("one", eth1(mtu=9000))
    things = [Object.from_dict(thing, NODES) for thing in (other("theirs", eth1(mtu=1500)), node("n1"))]
    assert (
        validate(asked({**old, "metadata": {"name": "one", "labels": {"a": "b"}}}, old), world(things)).warnings == ()
    )
