"""The wires between the nodes, as somebody in the server room would change them; each is as it was afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from e2e.kit.shell import ROOT, run

__all__ = ["answering_dns", "dhcp", "separate"]

LAB = str(ROOT / "hack/lab")


def _net(*argv: str, check: bool = True) -> str:
    return run(LAB, "net", "--", *argv, check=check).stdout


@contextmanager
def dhcp(nic: str) -> Iterator[None]:
    """A DHCP server on the wire of this NIC. It gives addresses, and neither router nor DNS server."""
    run(LAB, "dhcp", nic, "on")
    try:
        yield
    finally:
        run(LAB, "dhcp", nic, "off")


@contextmanager
def separate(*nics: str) -> Iterator[None]:
    """The nodes do not see one another on these wires, as if each had its own: all may have one address there."""
    wires = {f"wire{nic.removeprefix('eth')}" for nic in nics}
    ports = [port["ifname"] for port in json.loads(_net("bridge", "-j", "link")) if port.get("master") in wires]
    try:
        for port in ports:
            _net("bridge", "link", "set", "dev", port, "isolated", "on")
        yield
    finally:
        for port in ports:
            _net("bridge", "link", "set", "dev", port, "isolated", "off")


@contextmanager
def answering_dns(*addresses: str) -> Iterator[None]:
    """Whatever the nodes' router sends on to these addresses for a name, the lab's own DNS server answers."""
    with ExitStack() as stack:
        for address in addresses:
            rule = ("PREROUTING", "-d", address, "-p", "udp", "--dport", "53", "-j", "REDIRECT")
            _net("iptables", "-w", "-t", "nat", "-A", *rule)
            stack.callback(_net, "iptables", "-w", "-t", "nat", "-D", *rule)
        yield
