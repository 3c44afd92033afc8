"""What is refused before libnmstate is asked: scripts, masks, and what could only fail later."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.desired.checks import Before, refuse_early, without_kept_secrets
from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.desired.secrets import MASK

SCRIPTS = {"post-activation": "echo up"}
LOGIN = {"identity": "me", "eap-methods": ["peap"], "password": MASK}
NODE = {
    "interfaces": [
        {"name": "eth0", "type": "ethernet", "alt-names": [{"name": "uplink"}]},
        {"name": "eth1", "type": "ethernet", "dispatch": SCRIPTS, "802.1x": LOGIN},
    ]
}


def before() -> Before:
    return Before(msgspec.json.encode(NODE))


def check(entry: dict[str, Any], *others: dict[str, Any], allow_dispatch: bool = False) -> None:
    refuse_early({"interfaces": [entry, *others]}, before(), allow_dispatch=allow_dispatch)


def test_scripts_are_refused_unless_allowed() -> None:
    """With the way to allow them."""
    entry = {"name": "eth0", "type": "ethernet", "dispatch": SCRIPTS}
    check(entry, allow_dispatch=True)
    with pytest.raises(DesiredStateError) as caught:
        check(entry)
    assert (caught.value.kind, caught.value.interface) == ("DispatchNotAllowed", "eth0")
    assert "allowDispatch: true" in caught.value.advice


@pytest.mark.parametrize("scripts", [None, {}, {"post-activation": ""}, SCRIPTS])
def test_to_take_a_script_away_or_to_keep_it_is_allowed(scripts: Any) -> None:
    """A capture brings the node's own scripts along; an empty one takes it away."""
    check({"name": "eth1", "type": "ethernet", "dispatch": scripts})


def test_a_script_moved_to_another_interface_is_a_new_one() -> None:
    """The node's own are its own only where they are."""
    with pytest.raises(DesiredStateError, match="DispatchNotAllowed"):
        check({"name": "eth0", "dispatch": {**SCRIPTS, "post-deactivation": "rm -rf /"}})


def test_a_mask_is_no_password() -> None:
    """Applied, it would become the password."""
    with pytest.raises(DesiredStateError) as caught:
        check({"name": "eth0", "type": "ethernet", "802.1x": LOGIN})
    assert caught.value.kind == "MaskedSecret"
    assert "interfaces[eth0].802.1x.password" in caught.value.message


def test_what_a_capture_brings_along_masked_stays_as_it_is() -> None:
    """The whole section is left out: nmstate keeps what is not mentioned."""
    entry = {"name": "eth1", "type": "ethernet", "802.1x": LOGIN, "mtu": 1400}
    check(entry)
    state = without_kept_secrets({"interfaces": [entry], "hostname": {}}, before())
    assert state == {"interfaces": [{"name": "eth1", "type": "ethernet", "mtu": 1400}], "hostname": {}}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "a-name-of-16-char", "type": "vlan", "vlan": {"id": 1, "base-iface": "eth0"}}, "Linux takes 15"),
        ({"name": "v", "type": "vlan", "vlan": {"id": "4095", "base-iface": "eth0"}}, "vlan.id is 4095"),
        ({"name": "eth0", "mac-address": "02-00"}, "not a MAC address"),
        ({"name": "eth0", "mac-address": "01:00:5e:00:00:01"}, "no interface can have it"),
        (
            {
                "name": "br",
                "type": "linux-bridge",
                "bridge": {"port": [{"name": "eth1", "vlan": {"trunk-tags": [{"id-range": {"min": 9, "max": 2}}]}}]},
            },
            "interfaces[br].bridge.port[eth1].vlan has an id-range from 9 to 2",
        ),
    ],
)
def test_what_no_kernel_takes_is_refused_for_good(entry: dict[str, Any], words: str) -> None:
    """No node could do it, today or tomorrow."""
    with pytest.raises(DesiredStateError) as caught:
        check(entry)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "eth9.1", "type": "vlan", "vlan": {"id": 1, "base-iface": "eth9"}},
        {"name": "v", "type": "vlan"},
        {"name": "m", "type": "mac-vlan", "mac-vlan": {"mode": "bridge", "base-iface": "eth9"}},
    ],
)
def test_what_this_node_lacks_may_come(entry: dict[str, Any]) -> None:
    """It is refused, and tried again."""
    with pytest.raises(HostError) as caught:
        check(entry)
    assert not isinstance(caught.value, DesiredStateError)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "up.1", "type": "vlan", "vlan": {"id": 1, "base-iface": "uplink"}},
        {"name": "b.1", "type": "vlan", "vlan": {"id": "0", "base-iface": "bond0"}},
        {"name": "x", "type": "vlan", "state": "absent", "vlan": {"id": 1, "base-iface": "eth9"}},
        {"name": "x", "type": "vxlan", "vxlan": {"id": 7, "remote": "192.0.2.1"}},
        {"name": "eth0", "type": "vlan"},
        {"name": "ovs-bridge-with-a-long-name", "type": "ovs-bridge"},
        {"name": "eth0", "mac-address": "0A:00:00:00:00:01"},
        {"name": "br", "type": "linux-bridge", "bridge": {"port": None}},
        {"name": 7, "type": "vlan", "vlan": "odd", "dispatch": None},
    ],
)
def test_what_can_be_is_left_to_libnmstate(entry: dict[str, Any]) -> None:
    """Other names of an interface count, and so does what the same policy makes."""
    check(entry, {"name": "bond0", "type": "bond"})


@pytest.mark.parametrize("nonsense", [1, "x", "²", "9" * 5_000, True, None, [], [1], {}, {"x": 1}, [[{}]]])
def test_of_an_interface_without_type_anything_may_come(nonsense: Any) -> None:
    """libnmstate reads its sections only when the node tells its type: nothing here may stumble over them."""
    vlan = {"mode": "trunk", "trunk-tags": nonsense}
    for more in (
        {"bridge": nonsense},
        {"bridge": {"port": nonsense}},
        {"bridge": {"port": [{"name": "eth1", "vlan": nonsense}, {"name": nonsense, "vlan": vlan}]}},
        {"bridge": {"port": [{"vlan": {"trunk-tags": [{"id-range": nonsense}, {"id-range": {"min": nonsense}}]}}]}},
        {"bridge": {"port": [{"vlan": {"trunk-tags": [{"id-range": {"min": nonsense, "max": nonsense}}]}}]}},
        {"vlan": nonsense},
        {"vlan": {"id": nonsense, "base-iface": nonsense}},
        {"802.1x": nonsense},
        {"alt-names": nonsense},
        {"type": nonsense},
        {"type": "vlan", "vlan": {"id": nonsense, "base-iface": "eth0"}},
    ):
        with suppress(HostError):
            check({"name": "eth0", **more})
