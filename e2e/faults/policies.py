"""The policies that faults strike: some harmless, some that cut the node off from its API server.

Nothing here touches the third NIC's wire or another node, so that what is seen on the node is the policy's doing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["BAD_SECONDS", "POLICIES", "Policy"]

Json = dict[str, Any]
BAD_SECONDS = 6
"""How long the probes of a policy that cuts the node off may take: it fails however long they are."""


@dataclass(frozen=True)
class Policy:
    name: str
    desired: Json
    cuts_off: bool = False
    needs: frozenset[str] = frozenset()
    """What the lab must have: `ovs`, `dispatch`."""

    @property
    def spec(self) -> Json:
        """Beside the desired state."""
        return {"probes": {"timeoutSeconds": BAD_SECONDS}} if self.cuts_off else {}


def _static(ip: str) -> Json:
    return {"enabled": True, "dhcp": False, "address": [{"ip": ip, "prefix-length": 24}]}


_OFF = {"enabled": False}
_MUTE_ETH0 = {"name": "eth0", "type": "ethernet", "state": "up", "ipv4": _OFF, "ipv6": _OFF}
_DUMMY = {
    "name": "dummy9",
    "type": "dummy",
    "state": "up",
    "mac-address": "02:00:00:00:09:09",  # one by chance could not be compared
    "ipv4": _static("198.51.100.9"),
}
_ALIAS = {"name": "eth1", "type": "ethernet", "state": "up", "alt-names": [{"name": "second-nic"}]}
_SCRIPT = {
    "name": "eth1",
    "type": "ethernet",
    "state": "up",
    "dispatch": {"post-activation": "touch /run/dispatch-was-here"},
}
_DNS = {"config": {"server": ["10.11.0.1"], "search": ["faults.test"]}}


def _bond(*ports: str, **address: Json) -> Json:
    return {
        "name": "bond9",
        "type": "bond",
        "state": "up",
        "link-aggregation": {"mode": "active-backup", "port": list(ports)},
        **address,
    }


_SURE_BOND = {
    **_bond("eth1", "eth2", ipv4=_static("198.51.100.9")),
    "copy-mac-from": "eth1",
    "link-aggregation": {"mode": "active-backup", "options": {"primary": "eth1"}, "port": ["eth1", "eth2"]},
}
"""Nothing in it is left to which port comes first."""


def _bridge(*ports: str, **address: Json) -> Json:
    stp = {"options": {"stp": {"enabled": False}}}
    bridge = {**stp, "port": [{"name": port} for port in ports]}
    return {"name": "br9", "type": "linux-bridge", "state": "up", "bridge": bridge, **address}


_OVS = [
    {
        "name": "ovs9",
        "type": "ovs-bridge",
        "state": "up",
        "bridge": {"port": [{"name": "eth1"}, {"name": "inside9"}]},
    },
    {
        "name": "inside9",
        "type": "ovs-interface",
        "state": "up",
        "mac-address": "02:00:00:00:09:0A",  # one by chance could not be compared
        "ipv4": _static("198.51.100.9"),
    },
]
_OVS_DB = {"external_ids": {"faults": "here"}}

_DROPPED = {"destination": "10.96.0.1/32", "route-type": "blackhole"}
_DROPPING = {"ip-to": "10.96.0.1/32", "action": "blackhole"}
_HOLE = {"routes": {"config": [_DROPPED]}, "route-rules": {"config": [_DROPPING]}}
"""The API server's address, dropped, twice: a route of no interface, and a rule; both stay when profiles go."""
_PIT = {"routes": {"config": [_DROPPED]}, "route-rules": {"config": [{**_DROPPING, "priority": "1100"}]}}
"""The same, but that the rule has a priority, so that no handler need look for it. A number may be text."""

_ALL = (
    Policy("dummy", {"interfaces": [_DUMMY]}),
    Policy("bond", {"interfaces": [_SURE_BOND]}),
    Policy("hostname", {"hostname": {"config": "renamed", "running": "renamed"}}),
    Policy("dns", {"dns-resolver": _DNS}),
    Policy("alt-name", {"interfaces": [_ALIAS]}),
    Policy("dispatch", {"interfaces": [_SCRIPT]}, needs=frozenset({"dispatch"})),
    Policy("ovs", {"interfaces": _OVS, "ovs-db": _OVS_DB}, needs=frozenset({"ovs"})),
    Policy("mute", {"interfaces": [_MUTE_ETH0]}, cuts_off=True),
    Policy("wrong-address", {"interfaces": [{**_MUTE_ETH0, "ipv4": _static("203.0.113.9")}]}, cuts_off=True),
    Policy("hole", {"interfaces": [_DUMMY], **_HOLE}, cuts_off=True),
    Policy("pit", {"interfaces": [_DUMMY], **_PIT}, cuts_off=True),
    Policy("mute-bond", {"interfaces": [_bond("eth0", ipv4=_OFF, ipv6=_OFF)]}, cuts_off=True),
    Policy("mute-bridge", {"interfaces": [_bridge("eth0", ipv4=_OFF, ipv6=_OFF)]}, cuts_off=True),
    Policy(
        "mute-and-more",
        {
            "hostname": {"config": "renamed", "running": "renamed"},
            "dns-resolver": _DNS,
            "interfaces": [_MUTE_ETH0, _ALIAS, _DUMMY],
        },
        cuts_off=True,
    ),
    Policy(
        "mute-and-dispatch", {"interfaces": [_MUTE_ETH0, _SCRIPT]}, cuts_off=True, needs=frozenset({"dispatch"})
    ),
    Policy(
        "mute-and-ovs",
        {"interfaces": [_MUTE_ETH0, *_OVS], "ovs-db": _OVS_DB},
        cuts_off=True,
        needs=frozenset({"ovs"}),
    ),
)  # fmt: skip
POLICIES: Mapping[str, Policy] = {policy.name: policy for policy in _ALL}
