"""The lab's router services: DHCP (v4 and v6) with leases fixed by MAC, router advertisements, DNS."""

from __future__ import annotations

from . import plan
from .session import Session

__all__ = ["config", "part", "start", "switch"]

ROOT_SERVERS = ("a", "b", "c")


def _labels(name: str) -> str:
    """A domain name in wire format, as hex."""
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return wire.hex(":")


def _names() -> list[str]:
    """What the DNS server answers: the nodes, a name to probe, and the root servers (which probes ask for)."""
    lines = [f"host-record={plan.DNS_NAME},{plan.GATEWAY},{plan.ROUTER6}"]
    for index in range(1, plan.MAX_NODES + 1):
        node = plan.Node(index)
        lines.append(f"host-record={node.name},{node.name}.lab,{','.join(node.lease(plan.WIRES[0]))}")
    for letter in ROOT_SERVERS:
        name = f"{letter}.root-servers.net"
        lines += [f"dns-rr=root-servers.net,2,{_labels(name)}", f"host-record={name},{plan.GATEWAY}"]
    return lines


def config(wire: plan.Wire) -> str:
    """The configuration of the server on one wire. Only eth0's gives a router and DNS."""
    uplink = wire.nic == "eth0"
    lines = [
        "no-resolv", "no-hosts", "keep-in-foreground", "log-dhcp", "log-facility=-", "user=root", "group=root",
        "bind-interfaces", f"interface={wire.bridge}", "except-interface=lo",
        "dhcp-authoritative", "dhcp-leasefile=/dev/null", "leasefile-ro", "pid-file",
        f"dhcp-range={wire.prefix4}.2,static,255.255.255.0,1h",
        f"dhcp-range={wire.prefix6}2,static,64,1h",
        "enable-ra",
        "local=/lab/", "domain=lab",
    ]  # fmt: skip
    if uplink:
        lines += [
            f"ra-param={wire.bridge},10,1800",
            f"dhcp-option=option:router,{plan.GATEWAY}",
            f"dhcp-option=option:dns-server,{plan.GATEWAY}",
            f"dhcp-option=option6:dns-server,[{plan.ROUTER6}]",
            *_names(),
        ]
    else:  # addresses alone: a second default route would not be a node's usual network
        lines += ["port=0", f"ra-param={wire.bridge},10,0", "dhcp-option=3", "dhcp-option=6"]
    for index in range(1, plan.MAX_NODES + 1):
        node = plan.Node(index)
        four, six = node.lease(wire)
        lines.append(f"dhcp-host={node.mac(wire.nic)},{four},[{six}],1h")
    return "\n".join(lines) + "\n"


def part(wire: plan.Wire) -> str:
    return "dns" if wire.nic == "eth0" else f"dhcp-{wire.nic}"


def start(session: Session, wire: plan.Wire) -> bool:
    """Serve on the wire; False where that is done already."""
    name = part(wire)
    file = session.paths.state / f"{name}.conf"
    file.write_text(config(wire))
    return session.spawn(name, ["dnsmasq", f"--conf-file={file}"], log=session.paths.logs / f"{name}.log", restart=True)


def switch(session: Session, wire: plan.Wire, *, on: bool) -> None:
    """Serve on the wire from now on, or no longer."""
    if on:
        start(session, wire)
    elif part(wire) in session.parts():
        session.end(part(wire))
