"""From a policy's text to what is applied: defaults, mistakes with their path, libnmstate's refusals."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.desired.blame import find_culprit
from nmstate_k8s.domain.desired.defaults import with_defaults
from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.desired.explain import explain_refusal
from nmstate_k8s.domain.desired.explain_mistakes import misspelt_types
from nmstate_k8s.domain.desired.paths import path_text
from nmstate_k8s.domain.host.prepare import prepare
from nmstate_k8s.testing.host import FakeHost, node_state

BRIDGE: dict[str, Any] = {
    "name": "br1",
    "type": "linux-bridge",
    "state": "up",
    "bridge": {"port": [{"name": "eth1"}, {"name": "eth2", "vlan": {}}]},
}


def test_a_port_without_vlan_becomes_a_trunk() -> None:
    """`vlan: {}` counts as given, and the user's own value is not changed in place."""
    filled = with_defaults({"interfaces": [BRIDGE]})
    first, second = filled["interfaces"][0]["bridge"]["port"]
    assert first["vlan"] == {"mode": "trunk", "trunk-tags": [{"id-range": {"min": 2, "max": 4094}}]}
    assert second["vlan"] == {}
    assert BRIDGE["bridge"]["port"][0] == {"name": "eth1"}


@pytest.mark.parametrize(
    "state",
    [
        {"interfaces": [{**BRIDGE, "state": "absent"}]},
        {"interfaces": [{**BRIDGE, "type": "ovs-bridge"}]},
        {"interfaces": [{"name": "br1", "type": "linux-bridge", "state": "up", "bridge": {"port": None}}]},
        {"interfaces": [{"name": "br1", "type": "linux-bridge", "state": "up"}, "nonsense", 7]},
        {"interfaces": None},
        {"dns-resolver": {"config": {}}},
        ["no", "mapping"],
        None,
    ],
)
def test_all_else_stays_the_users_text(state: Any) -> None:
    """Defaults are for the ports of linux-bridges that are up."""
    assert with_defaults(state) == state


KEYS = frozenset({"interfaces", "name", "type", "state", "mtu", "ipv4", "enabled", "bridge", "port"})


@pytest.mark.asyncio
async def test_a_misspelt_key_is_named_with_its_path_and_what_was_meant() -> None:
    """libnmstate says which key, we say where."""
    host = FakeHost(known_keys=KEYS)
    desired = {
        "interfaces": [
            {"name": "eth0", "type": "ethernet", "state": "up"},
            {"name": "eth1", "type": "ethernet", "state": "up", "ipv4": {"enabledd": True}},
        ]
    }
    before = node_state("eth0", "eth1")
    before["interfaces"][0]["ipv6"] = {"enabled": False}
    fault = (await prepare(host, desired, {}, {}, msgspec.json.encode(before))).fault
    assert fault is not None
    assert fault.cause == 'unknown key "enabledd" in interfaces[eth1].ipv4 (did you mean "enabled"?)'
    assert (fault.interface, fault.lasting) == ("eth1", True)


@pytest.mark.asyncio
async def test_a_state_that_is_too_deep_is_refused_for_good() -> None:
    """Also where it is far deeper than Python reads by recursion."""
    deep: Any = 1
    for _ in range(5_000):
        deep = {"a": deep}
    fault = (await prepare(FakeHost(), {"interfaces": [deep]}, {}, {}, b"{}")).fault
    assert fault is not None
    assert (fault.cause, fault.lasting) == ("desiredState has more than 100 levels of mappings and lists", True)


@pytest.mark.asyncio
async def test_of_two_mistakes_the_first_is_blamed() -> None:
    """Where no single removal helps, it is the first that is refused by itself."""
    host = FakeHost(known_keys=KEYS)
    desired = {"interfaces": [{"name": "a", "x": 1, "y": 2}, {"name": "b"}]}
    path, _ = await find_culprit(host, desired)
    assert path_text(desired, path) == "interfaces[a].x"


@pytest.mark.asyncio
async def test_a_state_of_more_than_256_kib_is_refused_unread() -> None:
    """Nothing is asked of libnmstate."""
    host = FakeHost()
    desired = {"interfaces": [{"name": f"eth{index}", "description": "x" * 100} for index in range(3000)]}
    fault = (await prepare(host, desired, {}, {}, b"{}")).fault
    assert fault is not None
    assert "more than the 256 KiB" in fault.cause
    assert host.calls == []


def test_a_type_that_is_nearly_one_is_a_mistake() -> None:
    """libnmstate takes it for a type that it does not manage, and does nothing."""
    found = misspelt_types({"interfaces": [{"name": "bond0", "type": "bonnd"}]})
    assert found is not None
    assert found.cause == '"bonnd" is no value for interfaces[bond0].type (did you mean "bond"?)'
    assert misspelt_types({"interfaces": [{"name": "wg0", "type": "wireguard"}, {"name": "eth0"}]}) is None


@pytest.mark.parametrize(
    ("message", "cause", "interface"),
    [
        (
            "Ethernet interface eth666 does not exists",
            "interface eth666 does not exist (there are eth0, eth1)",
            "eth666",
        ),
        (
            "Controller interface bond0 is holding unknown port eth9",
            "bond0's port eth9 does not exist (there are eth0, eth1)",
            "bond0",
        ),
        ("bond0 is odd.\nand more", "bond0 is odd", "bond0"),
    ],
)
def test_a_refusal_says_what_exists_instead(message: str, cause: str, interface: str) -> None:
    """The first sentence of libnmstate, or ours where we know better."""
    found = explain_refusal(message, {"interfaces": [{"name": "bond0"}]}, ["eth1", "eth0"])
    assert (found.cause, found.interface) == (cause, interface)


def test_of_many_interfaces_the_similar_ones_are_named() -> None:
    """A message must stay short on a node with a thousand interfaces."""
    there = [f"eth{index}" for index in range(3)] + [f"veth{index:05}" for index in range(1000)]
    cause = explain_refusal("Ethernet interface etth1 does not exists", None, there).cause
    assert "eth1" in cause
    assert len(cause) < 200


def test_several_that_are_missing_are_told_together() -> None:
    """In the policy's order, whichever libnmstate happened to find first."""
    desired = {"interfaces": [{"name": f"eth{index}", "type": "ethernet", "state": "up"} for index in range(10, 20)]}
    found = explain_refusal("Ethernet interface eth17 does not exists", desired, ["eth0"])
    assert found.cause == "interfaces eth10, eth11, eth12 and 7 more do not exist (there is eth0)"
    assert found.interface == "eth10"


@pytest.mark.asyncio
async def test_a_missing_base_interface_is_found_by_ourselves() -> None:
    """libnmstate would apply, and tell half a minute later that the VLAN did not come up."""
    desired = {"interfaces": [{"name": "eth9.10", "type": "vlan", "vlan": {"id": 10, "base-iface": "eth9"}}]}
    fault = (await prepare(FakeHost(), desired, {}, {}, msgspec.json.encode(node_state("eth0")))).fault
    assert fault is not None
    assert fault.cause == "eth9, the base interface of eth9.10, does not exist (there is eth0)"
    assert (fault.stage, fault.lasting) == ("validate", False)


@pytest.mark.asyncio
async def test_that_features_cannot_be_counted_is_no_failure() -> None:
    """The statistic is for counting only."""
    host = FakeHost()
    host.fail("statistic", HostError("Bug", "no"))
    prepared = await prepare(
        host, {"interfaces": [{"name": "eth1", "mtu": 1400}]}, {}, {}, msgspec.json.encode(node_state("eth1"))
    )
    assert prepared.features == ()
    assert prepared.change
