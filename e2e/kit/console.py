"""What the OpenShift console's wizard writes: shapes of desired states that are to be taken as they are."""

from __future__ import annotations

from typing import Any

__all__ = ["EMPTY_BRIDGE", "MAPPINGS", "OVS_OVER_BOND", "WIZARD", "bond"]

Json = dict[str, Any]

MAPPINGS: Json = {"ovn": {"bridge-mappings": [{"bridge": "ovs-br1", "localnet": "physnet", "state": "present"}]}}

OVS_OVER_BOND: Json = {
    "interfaces": [
        {
            "name": "ovs-br1",
            "type": "ovs-bridge",
            "state": "up",
            "bridge": {
                "allow-extra-patch-ports": True,
                "options": {"stp": {"enabled": False}, "mcast-snooping-enable": True},
                "port": [
                    {
                        "name": "bond1",
                        "link-aggregation": {"mode": "balance-slb", "port": [{"name": "eth1"}, {"name": "eth2"}]},
                    },
                    {"name": "ovs-br1"},
                ],
            },
        },
        {
            "name": "ovs-br1",
            "type": "ovs-interface",
            "state": "up",
            "ipv4": {"enabled": False},
            "ipv6": {"enabled": False},
        },
    ]
}

EMPTY_BRIDGE: Json = {
    "interfaces": [{"name": "br0", "type": "linux-bridge", "state": "up", "bridge": {"port": [], "options": {}}}]
}


def bond(**options: str) -> Json:
    """Two cards, the one of which gives it its MAC address."""
    link = {"mode": "active-backup", "port": ["eth1", "eth2"], "options": options}
    return {
        "interfaces": [
            {"name": "bond0", "type": "bond", "state": "up", "copy-mac-from": "eth1", "link-aggregation": link}
        ]
    }


WIZARD: dict[str, Json] = {
    "mappings of OVN alone": MAPPINGS,
    "an OVS bridge over a bond": OVS_OVER_BOND,
    "an empty bridge": EMPTY_BRIDGE,
    "a bond with empty options": bond(),
}
"""All of them, by what they are."""
