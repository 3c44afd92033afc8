"""The policies whose time is measured, and how to take away what they made."""

from __future__ import annotations

from typing import Any

__all__ = ["POLICIES", "undo"]

Json = dict[str, Any]

_STATIC = {"enabled": True, "dhcp": False, "address": [{"ip": "198.51.100.7", "prefix-length": 24}]}

POLICIES: dict[str, Json] = {
    "dummy": {"interfaces": [{"name": "dummy1", "type": "dummy", "state": "up", "ipv4": _STATIC}]},
    "bond-vlan": {
        "interfaces": [
            {
                "name": "bond1",
                "type": "bond",
                "state": "up",
                "link-aggregation": {"mode": "active-backup", "port": ["eth1", "eth2"]},
            },
            {
                "name": "bond1.102",
                "type": "vlan",
                "state": "up",
                "vlan": {"base-iface": "bond1", "id": 102},
                "ipv4": _STATIC,
            },
        ]
    },
    "linux-bridge": {
        "interfaces": [
            {
                "name": "br1",
                "type": "linux-bridge",
                "state": "up",
                "ipv4": {"enabled": False},
                "bridge": {"options": {"stp": {"enabled": False}}, "port": [{"name": "eth1"}]},
            }
        ]
    },
    "static-ip": {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "ipv4": _STATIC}]},
}


def undo(desired: Json) -> Json:
    """The state that removes what `desired` made: virtual interfaces absent, NICs up without addresses."""
    absent = [
        {"name": i["name"], "type": i["type"], "state": "absent"}
        for i in desired["interfaces"]
        if i["type"] != "ethernet"
    ]
    bare = {"enabled": False}
    nics = [{"name": n, "type": "ethernet", "state": "up", "ipv4": bare, "ipv6": bare} for n in ("eth1", "eth2")]
    return {"interfaces": absent + nics}
