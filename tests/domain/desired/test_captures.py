"""Captures by libnmstate itself: any order and depth, cached states, and what a person is told of a wrong one."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.desired.captures import resolved
from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.host.nmstate_binding import LibnmstateHost
from nmstate_k8s.domain.host.prepare import prepare

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")
pytestmark = pytest.mark.asyncio

NODE: dict[str, Any] = {
    "interfaces": [
        {
            "name": "eth0",
            "type": "ethernet",
            "state": "up",
            "mtu": 1500,
            "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.2", "prefix-length": 24}]},
        },
        {"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1500},
        {"name": "eth2", "type": "ethernet", "state": "down", "mtu": 1500},
    ],
    "routes": {
        "running": [
            {
                "destination": "0.0.0.0/0",
                "next-hop-interface": "eth0",
                "next-hop-address": "192.0.2.1",
                "table-id": 254,
            },
            {
                "destination": "198.51.100.0/24",
                "next-hop-interface": "eth0",
                "next-hop-address": "192.0.2.9",
                "table-id": 254,
            },
        ],
        "config": [],
    },
}
BEFORE = msgspec.json.encode(NODE)


async def found(capture: dict[str, str]) -> dict[str, Any]:
    host = LibnmstateHost()
    try:
        return await resolved(host, capture, BEFORE)
    finally:
        host.close()


async def why_not(capture: dict[str, str]) -> str:
    with pytest.raises(DesiredStateError) as caught:
        await found(capture)
    return caught.value.message


def names(state: Any) -> list[str]:
    return [entry["name"] for entry in state["interfaces"]]


async def test_filters_pipes_and_replacements() -> None:
    """What the documentation of nmpolicy shows."""
    states = await found(
        {
            "cards": 'interfaces.type=="ethernet"',
            "up": 'capture.cards | interfaces.state=="up"',
            "lldp": "capture.up | interfaces.lldp.enabled:=true",
            "gw": 'routes.running.destination=="0.0.0.0/0"',
            "base": "interfaces.name==capture.gw.routes.running.0.next-hop-interface",
            "routes": "routes.running.next-hop-interface==capture.gw.routes.running.0.next-hop-interface",
            "moved": 'capture.routes | routes.running.next-hop-interface:="br1"',
            "addresses": 'interfaces.ipv4.address.ip=="192.0.2.2"',
        }
    )
    assert names(states["cards"]) == ["eth0", "eth1", "eth2"]
    assert names(states["up"]) == ["eth0", "eth1"]
    assert [entry["lldp"] for entry in states["lldp"]["interfaces"]] == [{"enabled": True}] * 2
    assert names(states["base"]) == names(states["addresses"]) == ["eth0"]
    assert {route["next-hop-interface"] for route in states["moved"]["routes"]["running"]} == {"br1"}
    assert len(states["moved"]["routes"]["running"]) == 2


async def test_any_depth_in_any_order() -> None:
    """libnmstate by itself gives up after ten steps in the wrong order."""
    chain = {f"c{step}": f'capture.c{step - 1} | interfaces.state=="up"' for step in range(1, 30)}
    chain["c0"] = 'interfaces.name=="eth1"'
    order = list(chain)
    random.Random(1).shuffle(order)
    states = await found({name: chain[name] for name in order})
    assert list(states) == order
    assert all(names(state) == ["eth1"] for state in states.values())


async def test_a_value_may_come_from_a_deeper_capture_than_what_is_filtered() -> None:
    """libnmstate orders by the first of the two references alone."""
    states = await found(
        {
            "mine": "capture.up | interfaces.name==capture.gw3.routes.running.0.next-hop-interface",
            "up": 'interfaces.state=="up"',
            "gw3": 'capture.gw2 | routes.running.table-id=="254"',
            "gw2": 'capture.gw1 | routes.running.table-id=="254"',
            "gw1": 'routes.running.destination=="0.0.0.0/0"',
        }
    )
    assert names(states["mine"]) == ["eth0"]


@pytest.mark.parametrize(
    ("capture", "words"),
    [
        ({"a": 'interfaces.nam=="eth0"'}, 'capture a finds nothing: no interface has nam eth0 (did you mean "name"?)'),
        ({"a": 'capture.b | interfaces.state=="up"'}, 'capture a: there is no capture "b" (the policy has a)'),
        ({"a": 'interfaces.name!="eth0"'}, '"!=" is no operator'),
        ({"a": 'interfaces.name=="eth0'}, "a quote does not end"),
        ({"a": 'dns-resolver.running.server=="x"'}, "only interfaces, routes and route-rules"),
        ({"a": 'interfaces.name=="eth0"', "b": 'capture.a | interfaces.mtu:="x"'}, "no valid interface"),
        (
            {
                "up": 'interfaces.state=="up"',
                "gw1": 'routes.running.destination=="0.0.0.0/0"',
                "gw2": 'capture.gw1 | routes.running.table-id=="254"',
                "a": "capture.up | interfaces.name==capture.gw2.routes.running.7.next-hop-interface",
            },
            "capture a: capture.gw2.routes.running has 1 entry, none at 7",
        ),
    ],
)
async def test_a_wrong_one_is_named(capture: dict[str, str], words: str) -> None:
    """By its name, with what is wrong in it."""
    assert words in await why_not(capture)


async def test_what_was_captured_once_is_used_again() -> None:
    """A second attempt at the same generation starts from the same states, whatever the node looks like by then."""
    capture = {"base": 'interfaces.name=="eth0"'}
    desired = {"interfaces": [{"name": "{{ capture.base.interfaces.0.name }}", "type": "ethernet", "mtu": 1400}]}
    cached = {"base": {"interfaces": [{"name": "eth1"}]}}
    host = LibnmstateHost()
    try:
        prepared = await prepare(host, desired, capture, cached, BEFORE)
    finally:
        host.close()
    assert prepared.captured == cached
    assert msgspec.json.decode(prepared.desired)["interfaces"][0]["name"] == "eth1"


async def test_a_failure_still_shows_what_the_captures_found() -> None:
    """A reference to what is not there is best understood by looking at what is."""
    host = LibnmstateHost()
    try:
        prepared = await prepare(
            host,
            {"interfaces": [{"name": "{{ capture.gw.interfaces.0.name }}", "type": "ethernet"}]},
            {"gw": 'routes.running.destination=="0.0.0.0/0"'},
            {},
            BEFORE,
        )
    finally:
        host.close()
    assert prepared.fault is not None
    assert prepared.fault.cause.startswith("interfaces[0].name: capture.gw.")
    assert prepared.captured["gw"]["routes"]["running"][0]["destination"] == "0.0.0.0/0"
