"""The lab's network: bridges as wires, a tap for each NIC of a node, routes to the pods. All in the lab's namespace."""

from __future__ import annotations

import json
from collections.abc import Collection

from . import plan
from .run import output, run
from .session import Session

__all__ = ["add_node", "node_batch", "set_up", "set_up_batch"]

MANAGEMENT, MANAGEMENT_MAC = "mgmt", "52:54:00:13:03:00"
# Services are reached by way of this router, which must not tell nodes of a shorter way.
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    # What crosses a wire does so untouched: services are the router's business, not the bridge's.
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    "net.bridge.bridge-nf-call-arptables": "0",
}


def set_up_batch() -> str:
    """`ip` commands for what does not depend on nodes."""
    lines = ["link set lo up", f"address replace {plan.SERVICE_API}/32 dev lo"]
    for wire in plan.WIRES:
        lines += [
            f"link add {wire.bridge} address {wire.mac} type bridge",
            f"address add {wire.address4}/24 dev {wire.bridge}",
            f"address add {wire.address6}/64 dev {wire.bridge}",
            f"link set {wire.bridge} up",
        ]
    # A way for what the router itself sends to services, until NAT gives it its true end.
    lines.append(f"route add {plan.SERVICE_NETWORK} dev {plan.WIRES[0].bridge}")
    lines += [
        f"link add {MANAGEMENT} address {MANAGEMENT_MAC} type bridge",
        f"address add {plan.MANAGEMENT_GATEWAY}/24 dev {MANAGEMENT}",
        f"link set {MANAGEMENT} up",
    ]
    return "\n".join(lines) + "\n"


def node_batch(node: plan.Node, existing: Collection[str] = ()) -> str:
    """`ip` commands for one node: its taps (but for `existing` ones), each on its wire, and the way to its pods."""
    bridges = (*(wire.bridge for wire in plan.WIRES), MANAGEMENT)
    lines = []
    for tap, bridge in zip(node.taps(), bridges, strict=True):
        if tap not in existing:
            # The guests' driver drops frames that hold several segments: have the host's kernel cut them.
            lines += [f"tuntap add dev {tap} mode tap", f"link set {tap} gso_max_segs 1 master {bridge} up"]
    lines.append(f"route replace {node.pods} via {node.address} dev {plan.WIRES[0].bridge}")
    return "\n".join(lines) + "\n"


def set_up(session: Session) -> None:
    """Make the wires. Once in a lab's life."""
    settings = [f"{name}={value}" for name, value in SYSCTLS.items()]
    run(*session.inside("sysctl", "-q", "-e", "-w", *settings, mounts=True), what="setting up the lab's network")
    _ip(session, set_up_batch())


def add_node(session: Session, node: plan.Node) -> None:
    """Make the node's taps and the way to its pods, where they are not there yet."""
    links = json.loads(output(*session.inside("ip", "-json", "link", "show")))
    _ip(session, node_batch(node, {link["ifname"] for link in links}))


def _ip(session: Session, batch: str) -> None:
    run(*session.inside("ip", "-batch", "-"), stdin=batch, what="setting up the lab's network")
