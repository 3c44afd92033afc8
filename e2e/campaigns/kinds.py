"""Thirty-odd ways to cut a node off by a policy that NetworkManager carries out without a complaint.

Each kind names the probes of which at least one has to fail; what is merely unlucky (a refused apply) is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from e2e.campaigns.uplink import DEAD, OFF, Json, Uplink, address, default_route, ethernet

__all__ = ["KINDS", "Kind"]

CUT = ("ping", "api-server")
"""What fails where nothing of the uplink works any more: the gateway, and all that lies behind it."""
DHCP = {"enabled": True, "dhcp": True}
AUTO6 = {"enabled": True, "dhcp": True, "autoconf": True}


@dataclass(frozen=True, slots=True)
class Kind:
    """One way."""

    name: str
    desired: Callable[[Uplink], Json]
    probes: tuple[str, ...] = CUT


def _interfaces(*interfaces: Json, **rest: Json) -> Json:
    return {"interfaces": list(interfaces), **rest}


def _routes(*routes: Json) -> Json:
    return {"routes": {"config": list(routes)}}


def _bare(name: str = "eth0") -> Json:
    return ethernet(name, ipv4=OFF, ipv6=OFF)


def _moved(u: Uplink, interface: Json) -> Json:
    """The address and the default route move from eth0 to an interface that leads nowhere."""
    there = {**interface, "state": "up", "ipv4": address(u.address, u.prefix), "ipv6": OFF}
    return _interfaces(_bare(), there, **_routes(default_route(interface["name"], u.gateway)))


def _bridge(port: str | None, **rest: object) -> Json:
    ports = [{"name": port, **rest}] if port else []
    return {"name": "br9", "type": "linux-bridge", "bridge": {"options": {"stp": {"enabled": False}}, "port": ports}}


def _bond(*ports: str, mode: str, **options: object) -> Json:
    aggregation = {"mode": mode, "port": list(ports), "options": options}
    return {"name": "bond9", "type": "bond", "link-aggregation": aggregation}


def _api_route(u: Uplink, **how: object) -> Json:
    return _routes({"destination": f"{u.api}/32", **how})


def _dns(*servers: str) -> Json:
    quiet = {"auto-dns": False}
    return _interfaces(
        ethernet(ipv4={**DHCP, **quiet}, ipv6={**AUTO6, **quiet}),
        **{"dns-resolver": {"config": {"server": list(servers)}}},
    )


def _automatic(**settings: object) -> Json:
    return _interfaces(ethernet(ipv4={**DHCP, **settings}, ipv6={**AUTO6, **settings}))


def _beside(u: Uplink, *routes: Json) -> Json:
    """A second NIC with an address of its own, and routes that prefer it."""
    return _interfaces(ethernet("eth1", ipv4=address("198.51.100.7"), ipv6=OFF), **_routes(*routes))


KINDS: tuple[Kind, ...] = (
    # the address
    Kind("no-address", lambda u: _interfaces(_bare())),
    Kind("no-ipv4", lambda u: _interfaces(ethernet(ipv4=OFF))),
    Kind("other-subnet", lambda u: _interfaces(ethernet(ipv4=address("10.99.0.7"), ipv6=OFF))),
    Kind("static-without-route", lambda u: _interfaces(ethernet(ipv4=address(u.address, u.prefix)))),
    Kind("nic-down", lambda u: _interfaces({"name": "eth0", "type": "ethernet", "state": "down"})),
    Kind("nic-absent", lambda u: _interfaces({"name": "eth0", "type": "ethernet", "state": "absent"})),
    # the default route
    Kind(
        "wrong-gateway",
        lambda u: _interfaces(ethernet(ipv4=address(u.address, u.prefix)), **_routes(default_route("eth0", u.nobody))),
    ),
    Kind("no-gateway", lambda u: _automatic(**{"auto-gateway": False})),
    Kind("no-routes", lambda u: _automatic(**{"auto-routes": False})),
    Kind("other-table", lambda u: _automatic(**{"auto-route-table-id": 200})),
    Kind("better-metric", lambda u: _beside(u, default_route("eth1", DEAD, metric=1))),
    Kind(
        "gateway-elsewhere",
        lambda u: _beside(u, {"destination": f"{u.gateway}/32", "next-hop-interface": "eth1"}),
        (*CUT, "dns"),
    ),
    # the route to the API server
    Kind("api-blackhole", lambda u: _api_route(u, **{"route-type": "blackhole"}), ("api-server",)),
    Kind("api-unreachable", lambda u: _api_route(u, **{"route-type": "unreachable"}), ("api-server",)),
    Kind("api-prohibited", lambda u: _api_route(u, **{"route-type": "prohibit"}), ("api-server",)),
    Kind(
        "api-dead-hop",
        lambda u: _api_route(u, **{"next-hop-interface": "eth0", "next-hop-address": u.nobody}),
        ("api-server",),
    ),
    Kind(
        "api-other-nic",
        lambda u: _beside(u, {"destination": "10.96.0.0/16", "next-hop-interface": "eth1", "next-hop-address": DEAD}),
        ("api-server",),
    ),
    Kind(
        "api-address-taken",
        lambda u: _interfaces({"name": "dummy9", "type": "dummy", "state": "up", "ipv4": address(u.api, 32)}),
        ("api-server",),
    ),
    Kind(
        "api-rule",
        lambda u: {
            **_beside(u, default_route("eth1", DEAD, **{"table-id": 200})),
            "route-rules": {"config": [{"ip-to": "10.96.0.0/16", "route-table": 200, "priority": 1100}]},
        },
        ("api-server",),
    ),
    Kind(
        "api-rule-blackhole",
        lambda u: {"route-rules": {"config": [{"ip-to": f"{u.api}/32", "action": "blackhole", "priority": 1100}]}},
        ("api-server",),
    ),
    # DNS
    Kind("dns-wrong", lambda u: _dns(DEAD), ("dns",)),
    # Not with IPv6: NetworkManager uses an advertised server on until the next advertisement.
    Kind("dns-none", lambda u: _interfaces(ethernet(ipv4={**DHCP, "auto-dns": False}, ipv6=OFF)), ("dns",)),
    # IPv6 alone
    Kind(
        "ipv6-no-router",
        lambda u: _interfaces(ethernet(ipv4=DHCP, ipv6={**AUTO6, "auto-routes": False})),
        ("ping-ipv6",),
    ),
    # layer 2
    Kind("mtu-tiny", lambda u: _interfaces(ethernet(mtu=68, ipv4=DHCP, ipv6=OFF)), ("ping", "dns", "api-server")),
    Kind("mac-unknown", lambda u: _interfaces(ethernet(**{"mac-address": "02:00:00:99:00:07"}))),
    Kind(
        "vlan-unknown",
        lambda u: _moved(u, {"name": "eth0.77", "type": "vlan", "vlan": {"base-iface": "eth0", "id": 77}}),
    ),
    Kind(
        "vxlan-nobody",
        lambda u: _moved(
            u, {"name": "vxlan9", "type": "vxlan", "vxlan": {"base-iface": "eth1", "id": 9, "remote": DEAD}}
        ),
    ),
    Kind(
        "macvlan-no-lease",
        lambda u: _interfaces(
            _bare(),
            {
                "name": "mac9",
                "type": "mac-vlan",
                "state": "up",
                "ipv4": DHCP,
                "ipv6": OFF,
                "mac-vlan": {"base-iface": "eth0", "mode": "private", "promiscuous": True},
            },
        ),
    ),
    # bridges
    Kind("bridge-without-uplink", lambda u: _moved(u, _bridge(None))),
    Kind("bridge-wrong-port", lambda u: _moved(u, _bridge("eth1"))),
    Kind(
        "bridge-no-address",
        lambda u: _interfaces(_bare(), {**_bridge("eth0"), "state": "up", "ipv4": OFF, "ipv6": OFF}),
    ),
    Kind("bridge-access-vlan", lambda u: _moved(u, _bridge("eth0", vlan={"mode": "access", "tag": 77}))),
    # bonds
    Kind("bond-wrong-ports", lambda u: _moved(u, _bond("eth1", "eth2", mode="active-backup"))),
    Kind("bond-dead-primary", lambda u: _moved(u, _bond("eth0", "eth1", mode="active-backup", primary="eth1"))),
    Kind("bond-min-links", lambda u: _moved(u, _bond("eth0", mode="802.3ad", min_links=2))),
    Kind(
        "bond-arp-nobody",
        lambda u: _moved(
            u, _bond("eth0", mode="active-backup", arp_interval=100, arp_ip_target=u.nobody, arp_validate="all")
        ),
    ),
    # another routing domain
    Kind(
        "vrf",
        lambda u: _interfaces(
            {"name": "vrf9", "type": "vrf", "state": "up", "vrf": {"port": ["eth0"], "route-table-id": 150}}
        ),
    ),
)
