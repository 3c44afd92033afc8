"""What libnmstate calls a difference, in its own shape, and whether it is one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.host.difference import differs

ALL = {"id-range": {"min": 2, "max": 4094}}
HAVE: dict[str, Any] = {
    "interfaces": [
        {"name": "br1", "type": "ovs-interface", "state": "up"},
        {
            "name": "br1",
            "type": "linux-bridge",
            "state": "up",
            "mtu": 1500,
            "bridge": {
                "options": {"stp": {"enabled": False, "forward-delay": 15}},
                "port": [
                    {"name": "eth1", "stp-path-cost": 2, "vlan": {"mode": "trunk", "tag": 0, "trunk-tags": [ALL]}},
                    {"name": "eth2", "stp-path-cost": 2, "vlan": {"mode": "access", "tag": 101, "trunk-tags": []}},
                ],
            },
        },
    ]
}


def told_apart(difference: dict[str, Any], before: dict[str, Any]) -> bool:
    """The question, as `prepare` asks it."""
    return differs(difference, msgspec.json.encode(before))


def difference() -> dict[str, Any]:
    """As libnmstate writes it for a bridge that is so already: single ids, ports with what was said of them."""
    ports = [
        {"name": "eth2", "vlan": {"mode": "access", "tag": 101}},
        {"name": "eth1", "vlan": {"mode": "trunk", "trunk-tags": [{"id": tag} for tag in range(2, 4095)]}},
    ]
    return {"interfaces": [{"name": "br1", "type": "linux-bridge", "state": "up", "bridge": {"port": ports}}]}


def test_a_bridge_that_is_so_does_not_differ() -> None:
    """Single ids for a range, ports in another order and said in part."""
    assert not told_apart(difference(), HAVE)
    assert not told_apart({}, HAVE)
    assert not told_apart({"interfaces": [], "routes": None}, HAVE)


Break = Callable[[dict[str, Any]], Any]
CHANGES: dict[str, Break] = {
    "another interface setting": lambda i: i.update(mtu=9000),
    "absent": lambda i: i.update(state="absent"),
    "another type": lambda i: i.update(type="ovs-bridge"),
    "not there": lambda i: i.update(name="br2"),
    "no bridge part": lambda i: i.pop("bridge"),
    "a VLAN less": lambda i: i["bridge"]["port"][1]["vlan"]["trunk-tags"].pop(),
    "another tag": lambda i: i["bridge"]["port"][0]["vlan"].update(tag=102),
    "a setting that the port has not": lambda i: i["bridge"]["port"][0].update({"stp-priority": 1}),
    "a port less": lambda i: i["bridge"]["port"].pop(),
    "another port": lambda i: i["bridge"]["port"][0].update(name="eth3"),
    "an option": lambda i: i["bridge"].update(options={"stp": {"enabled": True}}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_is_not_so_told_apart(change: Break) -> None:
    """Each single thing."""
    found = deepcopy(difference())
    change(found["interfaces"][0])
    assert told_apart(found, HAVE)


def test_what_is_beside_interfaces_differs_as_libnmstate_says() -> None:
    """Routes, rules, DNS and the host's name are compared by libnmstate."""
    assert told_apart({**difference(), "dns-resolver": {"config": {"server": ["192.0.2.1"]}}}, HAVE)
