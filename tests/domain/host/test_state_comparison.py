"""Two states of a node compared: what moves by itself, or says the same otherwise, is no difference."""

from __future__ import annotations

from typing import Any

import msgspec

from nmstate_k8s.domain.host.compare import differences

KERNEL_ONLY = {
    "name": "lo",
    "type": "loopback",
    "state": "up",
    "mtu": 65536,
    "ipv4": {"enabled": True, "address": [{"ip": "127.0.0.1", "prefix-length": 8}]},
    "ipv6": {"enabled": True, "address": [{"ip": "::1", "prefix-length": 128}]},
}
WITH_PROFILE = {
    **KERNEL_ONLY,
    "identifier": "name",
    "wait-ip": "any",
    "lldp": {"enabled": False},
    "ipv4": {**KERNEL_ONLY["ipv4"], "dhcp": False, "auto-route-metric": -1},  # type: ignore[dict-item]
    "ipv6": {"enabled": True, "address": [{"ip": "::1", "prefix-length": 128, "protocol": "lo"}], "autoconf": False},
}


def state(*interfaces: Any) -> bytes:
    return msgspec.json.encode({"interfaces": list(interfaces)})


def test_a_loopback_that_networkmanager_has_a_profile_of_is_the_same() -> None:
    """A rollback leaves it one where the policy had routes without an interface; its addresses are as before."""
    assert differences(state(KERNEL_ONLY), state(WITH_PROFILE)) == ()


def test_an_address_that_is_left_on_the_loopback_is_a_difference() -> None:
    """What somebody put there is not harmless."""
    taken = {"ip": "10.96.0.1", "prefix-length": 32}
    left = {**KERNEL_ONLY, "ipv4": {"enabled": True, "address": [*KERNEL_ONLY["ipv4"]["address"], taken]}}  # type: ignore[index]
    assert differences(state(KERNEL_ONLY), state(left)) == ("interfaces[lo].ipv4.address",)


PODS: dict[str, Any] = {"name": "veth7", "type": "veth", "state": "down", "ipv4": {"enabled": False}}
"""A pod's end that NetworkManager did not know of yet, or no more."""


def test_pods_that_come_and_go_are_no_difference() -> None:
    """Neither as interface nor as port of a bridge; one that is there both times, or has an address, counts."""
    bridge = {"name": "cni0", "type": "linux-bridge", "bridge": {"port": [{"name": "veth7"}]}}
    empty = {"name": "cni0", "type": "linux-bridge", "bridge": {"port": []}}
    assert differences(state(bridge, PODS), state(empty)) == ()
    assert differences(state(empty), state(bridge, PODS)) == ()
    assert differences(state(PODS), state({**PODS, "state": "up"})) == ("interfaces[veth7].state",)
    addressed = {**PODS, "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.7", "prefix-length": 24}]}}
    assert differences(state(empty, addressed), state(empty)) == ("interfaces[veth7]",)


def dns(*running: str, config: tuple[str, ...] = ()) -> bytes:
    return msgspec.json.encode(
        {"dns-resolver": {"running": {"server": list(running)}, "config": {"server": list(config)}}}
    )


def test_servers_that_leases_named_have_no_order() -> None:
    """Whichever of DHCP and the router advertisement comes first after a rollback stands first."""
    assert differences(dns("10.11.0.1", "fd00:11::1"), dns("fd00:11::1", "10.11.0.1")) == ()
    assert differences(dns("10.11.0.1", "fd00:11::1"), dns("10.11.0.1")) == ("dns-resolver.running.server",)


def test_servers_that_somebody_configured_have_an_order() -> None:
    """The first one is asked first."""
    configured = ("192.0.2.1", "192.0.2.2")
    assert differences(dns(*configured, config=configured), dns(*configured[::-1], config=configured))
