"""The lab's address plan: pure arithmetic from a node's number to its names, MACs and addresses."""

from __future__ import annotations

from typing import NamedTuple

from .errors import LabError

__all__ = [
    "AGENT_PORT", "API_PORT", "DNS_NAME", "GATEWAY", "MANAGEMENT_GATEWAY", "MAX_NODES", "NETWORK", "NETWORK6",
    "NICS", "POD_NETWORK", "ROUTER6", "SERVICE_API", "SERVICE_NETWORK", "WIRES", "Node", "Wire", "find_node", "node",
]  # fmt: skip

MAX_NODES = 64
NICS = ("eth0", "eth1", "eth2")
AGENT_PORT = 1022
API_PORT = 443  # also on 10.96.0.1, which the router owns: pods reach the API with no proxy between
DNS_NAME = "probe.lab"
NETWORK = "10.11.0.0/24"
GATEWAY = "10.11.0.1"
NETWORK6 = "fd00:11::/64"
ROUTER6 = "fd00:11::1"
MANAGEMENT_GATEWAY = "10.12.0.1"
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
SERVICE_API = "10.96.0.1"


class Wire(NamedTuple):
    """The wire that all nodes' NICs of one name hang on: a bridge in the lab's namespace."""

    nic: str
    bridge: str
    address4: str  # of the lab's end: router, DHCP and DNS server
    address6: str

    @property
    def mac(self) -> str:
        """The MAC of the lab's end. Without one of its own, a bridge would change it with the nodes that come."""
        return f"52:54:00:13:{NICS.index(self.nic):02x}:00"

    @property
    def prefix4(self) -> str:
        return self.address4.rsplit(".", 1)[0]

    @property
    def prefix6(self) -> str:
        return self.address6.removesuffix("1")


WIRES = (
    Wire("eth0", "wire0", GATEWAY, ROUTER6),
    Wire("eth1", "wire1", "10.21.0.1", "fd00:21::1"),
    Wire("eth2", "wire2", "10.22.0.1", "fd00:22::1"),
)


class Node(NamedTuple):
    """One node: number 1 is `node1`, which is also the control plane by label."""

    number: int

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def control_plane(self) -> bool:
        return self.number == 1

    @property
    def address(self) -> str:
        """The InternalIP: the lease on eth0."""
        return self.lease(WIRES[0])[0]

    @property
    def management(self) -> str:
        """Where the node's agent answers, on a NIC that the guest's main namespace does not have."""
        return f"10.12.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

    def lease(self, wire: Wire) -> tuple[str, str]:
        """The IPv4 and IPv6 addresses that DHCP gives this node on a wire, fixed by its MAC."""
        return f"{wire.prefix4}.{10 + self.number}", f"{wire.prefix6}{10 + self.number}"

    def mac(self, nic: str) -> str:
        """The MAC of a NIC as the guest sees it."""
        return f"52:54:00:11:{NICS.index(nic):02x}:{self.number:02x}"

    def wire_mac(self, number: int) -> str:
        """The MAC of the node's end of a wire, which only the bridge behind it sees."""
        return f"52:54:00:12:{number:02x}:{self.number:02x}"

    def taps(self) -> tuple[str, ...]:
        """The host ends in order of the guest's vec devices: eth0, eth1, eth2, management."""
        return tuple(f"n{self.number}{end}" for end in (*NICS, "mgmt"))


def node(name: str) -> Node | None:
    """The node of this name, None where the name is not `node` and a number from 1 to 64."""
    digits = name.removeprefix("node")
    if name == digits or not digits.isdecimal() or str(int(digits)) != digits:
        return None
    number = int(digits)
    return Node(number) if 1 <= number <= MAX_NODES else None


def find_node(name: str) -> Node:
    """The node of this name, or a LabError that tells what names there are."""
    found = node(name)
    if found is None:
        raise LabError(f"{name} is no node's name; nodes are node1, node2 …: see `hack/lab status`")
    return found
