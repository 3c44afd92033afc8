"""The same, with libnmstate itself: what it says today, and what we make of it. Needs the wheel, not a network."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.desired.errors import HostUnavailable
from nmstate_k8s.domain.host.fault import Fault
from nmstate_k8s.domain.host.nmstate_binding import LibnmstateHost, nmstate_version
from nmstate_k8s.domain.host.prepare import Prepared, prepare

libnmstate = pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

CURRENT: dict[str, Any] = {
    "interfaces": [
        {
            "name": "eth0",
            "type": "ethernet",
            "state": "up",
            "mtu": 1500,
            "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.2", "prefix-length": 24}]},
        },
        {"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1500},
    ],
    "routes": {
        "running": [
            {
                "destination": "0.0.0.0/0",
                "next-hop-interface": "eth0",
                "next-hop-address": "192.0.2.1",
                "table-id": 254,
            }
        ],
        "config": [],
    },
}


async def prepared(*interfaces: Any, capture: dict[str, str] | None = None) -> Prepared:
    host = LibnmstateHost()
    try:
        return await prepare(host, {"interfaces": list(interfaces)}, capture or {}, {}, msgspec.json.encode(CURRENT))
    finally:
        host.close()


async def fault(*interfaces: Any, capture: dict[str, str] | None = None) -> Fault:
    found = (await prepared(*interfaces, capture=capture)).fault
    assert found is not None
    return found


def eth1(**more: Any) -> dict[str, Any]:
    return {"name": "eth1", "type": "ethernet", "state": "up", **more}


@pytest.mark.parametrize(
    ("interface", "cause"),
    [
        (eth1(mttu=1400), 'unknown key "mttu" in interfaces[eth1] (did you mean "mtu"?)'),
        (eth1(mtu="many"), 'interfaces[eth1].mtu is "many", not a number'),
        (eth1(state="upp"), '"upp" is no value for interfaces[eth1].state (did you mean "up"?)'),
        (
            eth1(ipv4={"enabled": True, "address": [{"ip": "192.0.2", "prefix-length": 24}]}),
            'interfaces[eth1].ipv4.address[0].ip is "192.0.2", not an IP address',
        ),
        (
            {"name": "br1", "type": "linux-bridge", "state": "up", "bridge": {"prt": []}},
            'unknown key "prt" in interfaces[br1].bridge (did you mean "port"?)',
        ),
        (eth1(ipv4={"enabled": "perhaps"}), None),
        (eth1(ipv4=[1]), None),
        ("eth1", None),
    ],
)
@pytest.mark.asyncio
async def test_mistakes_are_named_with_their_path(interface: Any, cause: str | None) -> None:
    """A person finds the place in the policy without knowing libnmstate."""
    found = await fault(interface)
    assert found.lasting
    if cause is None:
        assert "interfaces[" in found.cause
    else:
        assert found.cause == cause


@pytest.mark.asyncio
async def test_numbers_as_strings_are_valid_and_stay_text() -> None:
    """What the enactment shows is what the user wrote."""
    found = await prepared(eth1(mtu="1400"))
    assert found.change
    assert msgspec.json.decode(found.desired)["interfaces"][0]["mtu"] == "1400"


@pytest.mark.asyncio
async def test_a_state_that_is_there_is_no_change() -> None:
    """Without a difference nothing is done."""
    assert not (await prepared(eth1(mtu=1500))).change


@pytest.mark.asyncio
async def test_a_missing_interface_is_a_refusal_of_this_node() -> None:
    """Not a mistake for ever: it may be plugged in."""
    found = await fault({"name": "eth666", "type": "ethernet", "state": "up"})
    assert not found.lasting
    assert found.interface == "eth666"
    assert found.cause == "interface eth666 does not exist (there are eth0, eth1)"


@pytest.mark.parametrize("in_the_policy", [True, False])
@pytest.mark.asyncio
async def test_a_refusal_is_for_good_where_nothing_on_the_node_could_end_it(in_the_policy: bool) -> None:
    """A port with an address, whose bridge the policy names, stays refused; a bridge that is there may go."""
    bridge = {"name": "br1", "type": "linux-bridge", "state": "up", "bridge": {"port": [{"name": "eth1"}]}}
    port = {**CURRENT["interfaces"][1], "controller": "br1"}
    there = CURRENT if in_the_policy else {**CURRENT, "interfaces": [CURRENT["interfaces"][0], port, bridge]}
    address = {"enabled": True, "address": [{"ip": "192.0.2.9", "prefix-length": 24}]}
    desired = {"interfaces": [eth1(ipv4=address), *([bridge] if in_the_policy else [])]}
    host = LibnmstateHost()
    found = (await prepare(host, desired, {}, {}, msgspec.json.encode(there))).fault
    host.close()
    assert found is not None
    assert (found.stage, found.lasting) == ("validate", in_the_policy)


ADDRESS = {"address": [{"ip": "198.51.100.10", "prefix-length": 24}]}


@pytest.mark.parametrize(
    ("interface", "skipped"),
    [
        (eth1(ipv4=ADDRESS), True),
        (eth1(ipv4={**ADDRESS, "enabled": True}), False),
        ({"name": "eth0", "type": "ethernet", "state": "up", "ipv4": ADDRESS}, False),
        ({"name": "dummy1", "type": "dummy", "state": "up", "ipv4": ADDRESS}, True),
    ],
)
@pytest.mark.asyncio
async def test_an_address_without_enabled_counts_where_the_node_has_the_family_on(
    interface: dict[str, Any], skipped: bool
) -> None:
    """So libnmstate has it: what it makes of the policy has the address there, and nothing but a warning elsewhere."""
    found = await prepared(interface)
    assert found.fault is None
    assert bool(found.skipped) is skipped
    if skipped:
        said = "off there, and the policy does not say enabled: true)"
        assert found.skipped == (f"address of {interface['name']} (ipv4 is {said}",)


CAPTURE = {
    "default-gw": 'routes.running.destination=="0.0.0.0/0"',
    "base-iface": "interfaces.name==capture.default-gw.routes.running.0.next-hop-interface",
}


@pytest.mark.asyncio
async def test_captures_are_resolved_and_filled_in() -> None:
    """The documented way to put a bridge on the default route's interface."""
    found = await prepared(
        {
            "name": "br1",
            "type": "linux-bridge",
            "state": "up",
            "ipv4": "{{ capture.base-iface.interfaces.0.ipv4 }}",
            "bridge": {"port": [{"name": "{{ capture.base-iface.interfaces.0.name }}"}]},
        },
        capture=CAPTURE,
    )
    bridge = msgspec.json.decode(found.desired)["interfaces"][0]
    assert bridge["ipv4"]["address"] == [{"ip": "192.0.2.2", "prefix-length": 24}]
    assert bridge["bridge"]["port"][0]["name"] == "eth0"
    assert bridge["bridge"]["port"][0]["vlan"]["mode"] == "trunk"
    assert set(found.captured) == set(CAPTURE)


@pytest.mark.parametrize(
    ("tag", "change"), [({"id-range": {"min": 2, "max": 4094}}, False), ({"id-range": {"min": 2, "max": 4093}}, True)]
)
@pytest.mark.asyncio
async def test_a_bridge_that_is_as_the_policy_says_is_not_applied_again(tag: dict[str, Any], change: bool) -> None:
    """The trunk that is filled in is a range; the node reports a range, and more of each port than was said."""
    port = {"name": "eth1", "stp-hairpin-mode": False, "stp-path-cost": 2, "stp-priority": 32}
    vlan = {"enable-native": False, "mode": "trunk", "tag": 0, "trunk-tags": [tag]}
    stp = {"stp": {"enabled": False}}
    bridge = {"name": "br1", "type": "linux-bridge", "state": "up"}
    there = {**bridge, "mtu": 1500, "bridge": {"options": stp, "port": [{**port, "vlan": vlan}]}}
    eth = {**CURRENT["interfaces"][1], "controller": "br1"}
    current = {**CURRENT, "interfaces": [CURRENT["interfaces"][0], eth, there]}
    desired = {"interfaces": [{**bridge, "bridge": {"options": stp, "port": [{"name": "eth1"}]}}]}
    host = LibnmstateHost()
    found = await prepare(host, desired, {}, {}, msgspec.json.encode(current))
    host.close()
    assert found.fault is None
    assert found.change is change


@pytest.mark.parametrize(("kind", "change"), [("vrf", False), ("linux-bridge", None)])
@pytest.mark.asyncio
async def test_a_port_of_a_vrf_may_have_addresses_one_of_a_bridge_may_not(kind: str, change: bool | None) -> None:
    """Also when it is the port already: a policy with a VRF is looked at again at each start of the handler."""
    part = {"vrf": {"port": ["eth1"], "route-table-id": 100}}
    if kind == "linux-bridge":
        part = {"bridge": {"port": [{"name": "eth1", "vlan": {}}]}}
    owner = {"name": "owner0", "type": kind, "state": "up", **part}
    address = {"enabled": True, "dhcp": False, "address": [{"ip": "198.51.100.10", "prefix-length": 24}]}
    there = {**CURRENT["interfaces"][1], "controller": "owner0", "ipv4": address}
    current = {**CURRENT, "interfaces": [CURRENT["interfaces"][0], there, {**owner, "mtu": 1500}]}
    desired = {"interfaces": [eth1(ipv4=address), owner]}
    host = LibnmstateHost()
    found = await prepare(host, desired, {}, {}, msgspec.json.encode(current))
    host.close()
    if change is None:
        assert found.fault is not None
        assert "eth1 is a port of owner0 and cannot have addresses" in found.fault.cause
    else:
        assert found.fault is None
        assert found.change is change


@pytest.mark.parametrize(
    ("capture", "name"),
    [
        ({"a": 'routes.running.destination="0.0.0.0/0"'}, "eth1"),
        ({}, "{{ capture.none.interfaces.0.name }}"),
    ],
)
@pytest.mark.asyncio
async def test_a_wrong_expression_says_where(capture: dict[str, str], name: str) -> None:
    """The expression and the position in it."""
    found = await fault({"name": name, "type": "ethernet", "state": "up"}, capture=capture)
    assert found.lasting
    assert "capture a: " in found.cause or 'no capture "none"' in found.cause


@pytest.mark.asyncio
async def test_without_a_system_bus_the_host_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """NetworkManager's absence is an error of its own."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    host = LibnmstateHost()
    with pytest.raises(HostUnavailable, match="nonexistent"):
        await host.networkmanager()
    host.close()


def test_errors_are_classes_by_kind_and_carry_log_lines() -> None:
    """What the wheel promises by itself."""
    with pytest.raises(libnmstate.errors.InvalidArgument) as caught:
        libnmstate.validate({"interfaces": [{"name": "eth9", "type": "ethernet", "state": "up"}]}, CURRENT)
    assert caught.value.kind == "InvalidArgument"
    assert "eth9" in caught.value.message
    lines: list[Any] = []
    libnmstate.fill({"interfaces": [{"name": "a", "state": "absent", "odd": 1}]}, {}, log=lines)
    assert [(line.level, "odd" in line.message) for line in lines] == [(30, True)]
    with pytest.raises(libnmstate.NmstateError, match="must not be empty"):
        libnmstate.commit("")


def test_the_version_is_readable() -> None:
    """It stands in the node's report."""
    assert nmstate_version() == libnmstate.NMSTATE_VERSION
    assert libnmstate.NMSTATE_VERSION.count(".") == 2
