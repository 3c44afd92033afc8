"""What is left out of a report, and when the node is looked at."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.host.compare import differences
from nmstate_k8s.domain.nodestate.filter import filtered
from nmstate_k8s.domain.nodestate.pace import Pace

POD = {"name": "veth1", "type": "veth", "state": "ignore"}
ETH0 = {
    "name": "eth0",
    "type": "veth",
    "state": "up",
    "ipv6": {"enabled": True, "address": [{"ip": "2001:db8::1", "prefix-length": 64, "valid-life-time": "3600sec"}]},
}
BRIDGE = {
    "name": "cni0",
    "type": "linux-bridge",
    "state": "ignore",
    "bridge": {
        "options": {"gc-timer": 12, "hello-timer": 3, "hello-time": 2},
        "port": [{"name": "veth1"}, {"name": "eth1"}],
    },
}


def seen(*interfaces: Any, **more: Any) -> dict[str, Any]:
    return filtered(msgspec.json.encode({"interfaces": list(interfaces), **more}))


def test_what_came_while_libnmstate_looked_is_left_out() -> None:
    """Of a pod's link it then has no more from NetworkManager than that it is ignored; a card has its address."""
    just_come = {"name": "veth2", "type": "ethernet", "state": "ignore"}
    card = {"name": "eth7", "type": "ethernet", "state": "ignore", "mtu": 1500, "mac-address": "02:00:00:00:00:07"}
    assert [entry["name"] for entry in seen(just_come, card)["interfaces"]] == ["eth7"]


def test_pods_ends_are_left_out_wherever_they_appear() -> None:
    """As interface, as port of a bridge, as next hop; a veth that is managed stays."""
    routes = {
        "running": [{"destination": "10.0.0.1/32", "next-hop-interface": "veth1"}, {"next-hop-interface": "eth0"}],
        "config": [],
    }
    state = seen(POD, ETH0, BRIDGE, routes=routes)
    assert [entry["name"] for entry in state["interfaces"]] == ["eth0", "cni0"]
    assert state["interfaces"][1]["bridge"]["port"] == [{"name": "eth1"}]
    assert state["routes"] == {"running": [{"next-hop-interface": "eth0"}], "config": []}


def test_what_runs_by_itself_is_left_out() -> None:
    """Timers and life times would make every state a new one."""
    state = seen(ETH0, BRIDGE)
    assert state["interfaces"][0]["ipv6"]["address"] == [{"ip": "2001:db8::1", "prefix-length": 64}]
    assert state["interfaces"][1]["bridge"]["options"] == {"hello-time": 2}


def test_pods_that_come_and_go_change_nothing() -> None:
    """Not even the ports of the bridge that they hang on."""
    other = {**POD, "name": "veth2"}
    with_other = {**BRIDGE, "bridge": {**BRIDGE["bridge"], "port": [{"name": "veth2"}, {"name": "eth1"}]}}  # type: ignore[dict-item]
    assert seen(ETH0, POD, BRIDGE) == seen(ETH0, other, with_other)


def test_all_else_is_reported_as_it_is() -> None:
    """The OVN bridge mappings, DNS and whatever libnmstate learns to tell."""
    more = {"ovn": {"bridge-mappings": [{"localnet": "a", "bridge": "br"}]}, "dns-resolver": {"config": {}}, "new": 1}
    assert seen(**more) == {"interfaces": [], **more}


def test_two_states_are_compared_as_wholes_and_differences_named() -> None:
    """Order and what runs by itself do not count."""
    first = msgspec.json.encode(
        {"interfaces": [ETH0, {"name": "eth1", "mtu": 1500}], "routes": {"config": [{"a": 1}, {"a": 2}]}}
    )
    same = msgspec.json.encode(
        {"interfaces": [{"name": "eth1", "mtu": 1500}, ETH0], "routes": {"config": [{"a": 2}, {"a": 1}]}}
    )
    other = msgspec.json.encode(
        {"interfaces": [ETH0, {"name": "eth1", "mtu": 9000}], "routes": {"config": [{"a": 2}, {"a": 1}]}}
    )
    assert differences(first, same) == ()
    assert differences(first, other) == ("interfaces[eth1].mtu",)


def test_the_metric_of_an_automatic_route_does_not_count() -> None:
    """NetworkManager gives DHCP's routes another one after a rollback; a configured one is the user's."""

    def state(metric: int, *config: Any) -> bytes:
        route = {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "metric": metric}
        return msgspec.json.encode({"interfaces": [], "routes": {"running": [route], "config": list(config)}})

    fixed = {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "metric": 100}
    assert differences(state(100), state(103)) == ()
    assert differences(state(100, fixed), state(103, fixed)) != ()


def test_a_bridge_and_its_interface_of_the_same_name_are_two() -> None:
    """Open vSwitch has both under one name."""
    pair = [{"name": "br0", "type": "ovs-bridge"}, {"name": "br0", "type": "ovs-interface", "mtu": 1500}]
    changed = [pair[0], {**pair[1], "mtu": 1400}]
    assert differences(msgspec.json.encode({"interfaces": pair}), msgspec.json.encode({"interfaces": changed})) == (
        "interfaces[br0 ovs-interface].mtu",
    )


@pytest.mark.parametrize(
    ("pace", "due"),
    [
        pytest.param(Pace(), 0, id="first at once"),
        pytest.param(Pace(looked=100), 160, id="once a minute"),
        pytest.param(Pace(looked=100, jitter=-1), 154, id="give or take"),
        pytest.param(Pace(looked=100, urgent=True, wrote=100), 0, id="asked for"),
        pytest.param(Pace(looked=100, changed=130), 130, id="a change"),
        pytest.param(Pace(looked=100, took=2, changed=101), 108, id="looking is slow here"),
        pytest.param(Pace(looked=100, took=30), 220, id="looking is very slow here"),
        pytest.param(Pace(looked=100, failed=1, changed=100), 102, id="after a failure"),
        pytest.param(Pace(looked=100, failed=9), 160, id="after many"),
        pytest.param(Pace(looked=100, wrote=100, changed=101), 110, id="churn"),
        pytest.param(Pace(looked=100, wrote=90, changed=101), 101, id="the last write is long ago"),
    ],
)
def test_when_to_look(pace: Pace, due: float) -> None:
    """Seconds of a monotonic clock."""
    assert pace.due() == pytest.approx(due)
