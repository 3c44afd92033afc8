"""The uplink's address moves under a bridge or a bond, and back to the NIC, with the handler working through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from e2e.campaigns.attempt import apply_to, ended
from e2e.campaigns.ledger import Trial
from e2e.campaigns.uplink import OFF, Json, Uplink, address, default_route, ethernet, uplink
from e2e.kit import Cluster, Node
from e2e.kit.cluster import condition

__all__ = ["MOVES", "move"]

_LEASE: Json = {"ipv4": {"enabled": True, "dhcp": True}, "ipv6": {"enabled": True, "dhcp": True, "autoconf": True}}


def _bridge() -> Json:
    ports = {"options": {"stp": {"enabled": False}}, "port": [{"name": "eth0"}]}
    return {"name": "br8", "type": "linux-bridge", "state": "up", "copy-mac-from": "eth0", "bridge": ports}


def _bond() -> Json:
    aggregation = {"mode": "active-backup", "options": {"miimon": 140}, "port": ["eth0"]}
    return {"name": "bond8", "type": "bond", "state": "up", "copy-mac-from": "eth0", "link-aggregation": aggregation}


def _leased(interface: Json) -> Json:
    return {"interfaces": [{**interface, **_LEASE}, ethernet(ipv4=OFF, ipv6=OFF)]}


def _static(u: Uplink, interface: Json) -> Json:
    there = {**interface, "ipv4": address(u.address, u.prefix), "ipv6": OFF}
    return {
        "interfaces": [there, ethernet(ipv4=OFF, ipv6=OFF)],
        "routes": {"config": [default_route(interface["name"], u.gateway)]},
        "dns-resolver": {"config": {"server": [u.gateway]}},
    }


MOVES: Mapping[str, Callable[[Uplink], Json]] = {
    "bridge-leased": lambda _: _leased(_bridge()),
    "bond-leased": lambda _: _leased(_bond()),
    "bridge-static": lambda u: _static(u, _bridge()),
    "bond-static": lambda u: _static(u, _bond()),
}


def move(cluster: Cluster, node: Node, name: str) -> tuple[Trial, Trial]:
    """There by one generation of a policy and back by the next: both are Available with the same address."""
    u = uplink(node)
    desired = MOVES[name](u)
    carrier = desired["interfaces"][0]["name"]
    back = {
        "interfaces": [
            {"name": carrier, "type": desired["interfaces"][0]["type"], "state": "absent"},
            ethernet(**_LEASE),
        ],
        "dns-resolver": {"config": {}},
    }
    there = _moved(cluster, node, f"{name}-there", f"{name}-{node.name}", desired, (carrier, u.address))
    return there, _moved(cluster, node, f"{name}-back", f"{name}-{node.name}", back, ("eth0", u.address))


def _moved(cluster: Cluster, node: Node, name: str, policy: str, desired: Json, want: tuple[str, str]) -> Trial:
    begun = time.monotonic()
    handler = cluster.handler_restarts()[node.name]
    generation = apply_to(cluster, node, policy, desired)
    enactment = ended(cluster, node, policy, generation, timeout=240)
    seconds = time.monotonic() - begun
    problems = []
    if condition(enactment, "Available").get("status") != "True":
        problems.append(f"not Available: {condition(enactment, 'Failing').get('message')}")
    if want[1] not in [found.split("/")[0] for found in node.addresses(want[0])]:
        problems.append(f"{want[0]} does not have {want[1]}: {node.addresses(want[0])}")
    if cluster.handler_restarts()[node.name] != handler:
        problems.append("the handler was restarted")
    if not cluster.node_ready(node.name):
        problems.append("the node is not Ready")
    return Trial(name, node.name, seconds, tuple(problems), evidence=cluster.tell(policy) if problems else "")
