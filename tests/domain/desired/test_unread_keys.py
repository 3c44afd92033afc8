"""The places where libnmstate skips keys without a word: that they are such, and what is made of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.desired.binding import Computing
from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.explain_mistakes import misspelt_keys
from nmstate_k8s.domain.desired.unread import LENIENT, unread_keys

NOBODY = "zzz-zz"
LOGIN = {"identity": "me", "eap-methods": ["peap"]}
STATE: dict[str, Any] = {
    "interfaces": [
        {"name": "eth1", "type": "ethernet", "state": "up", "802.1x": LOGIN, "dispatch": {"post-activation": "true"}},
        {"name": "v0", "type": "veth", "state": "up", "veth": {"peer": "v1"}},
        {
            "name": "eth1.7",
            "type": "vlan",
            "state": "up",
            "vlan": {
                "base-iface": "eth1",
                "id": 7,
                "ingress-qos-map": [{"from": 1, "to": 2}],
                "egress-qos-map": [{"from": 1, "to": 2}],
            },
        },
        {
            "name": "bond0",
            "type": "bond",
            "state": "up",
            "link-aggregation": {"mode": "active-backup", "ports-config": [{"name": "eth2", "priority": 1}]},
        },
        {
            "name": "br0",
            "type": "linux-bridge",
            "state": "up",
            "bridge": {"port": [{"name": "eth3", "vlan": {"mode": "trunk", "trunk-tags": [{"id": 1}]}}]},
        },
        {
            "name": "br1",
            "type": "ovs-bridge",
            "state": "up",
            "bridge": {
                "port": [{"name": "b", "link-aggregation": {"mode": "balance-slb", "port": [{"name": "eth4"}]}}]
            },
        },
        {"name": "gone", "type": "ethernet", "state": "absent", "802.1x": {NOBODY: 1}},
    ],
    "ovn": {"bridge-mappings": [{"localnet": "net", "bridge": "br1"}]},
}


def with_key(value: Any, where: tuple[str, ...]) -> Any:
    """The state with a key that nobody knows, wherever the pattern leads."""
    if not where:
        return {**value, NOBODY: 1}
    if where[0] == "*":
        return [with_key(entry, where[1:]) for entry in value]
    if not isinstance(value, dict) or where[0] not in value:
        return value
    return {**value, where[0]: with_key(value[where[0]], where[1:])}


@pytest.mark.parametrize("where", [place for place, _ in LENIENT], ids=".".join)
def test_libnmstate_skips_what_it_does_not_know_there(where: tuple[str, ...]) -> None:
    """Where it no longer does, the place is to be taken from the table."""
    pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")
    state = with_key(STATE, where)
    assert msgspec.json.encode(state) != msgspec.json.encode(STATE)
    asyncio.run(Computing().parse(msgspec.json.encode(state)))
    found = [path for path, _ in unread_keys(state)]
    assert found
    assert all(path[-1] == NOBODY for path in found)


def test_elsewhere_libnmstate_refuses_what_it_does_not_know() -> None:
    """The table is whole, as far as this state goes."""
    pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")
    lenient = {place for place, _ in LENIENT}
    for place in (
        (),
        ("interfaces", "*"),
        ("interfaces", "*", "vlan"),
        ("interfaces", "*", "link-aggregation"),
        ("interfaces", "*", "bridge"),
        ("interfaces", "*", "bridge", "port", "*"),
        ("interfaces", "*", "bridge", "port", "*", "link-aggregation"),
        ("interfaces", "*", "bridge", "port", "*", "vlan"),
        ("ovn",),
    ):
        assert place not in lenient
        with pytest.raises(DesiredStateError, match=NOBODY):
            asyncio.run(Computing().parse(msgspec.json.encode(with_key(STATE, place))))


def test_only_what_is_like_a_key_is_a_misspelt_one() -> None:
    """All else may be somebody's own remark; of an interface that goes, nothing is read."""
    assert misspelt_keys(STATE) is None
    assert misspelt_keys({"interfaces": [{"name": "eth1", "802.1x": {**LOGIN, "remark": "mine"}}]}) is None
    found = misspelt_keys({"interfaces": [{"name": "eth1", "802.1x": {**LOGIN, "pasword": "secret"}}]})
    assert found is not None
    assert found.path == ("interfaces", 0, "802.1x", "pasword")
    assert found.cause == 'unknown key "pasword" in interfaces[eth1].802.1x (did you mean "password"?)'
