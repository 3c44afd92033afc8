"""What passes at `kubectl apply`: all that some node would take. Needs the wheel, not a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.kit.console import WIZARD
from tests.domain.admission.asking import judged

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

EXAMPLES = {
    str(path): document["spec"]
    for folder in ("manifests/examples", "docs/policies")
    for path in sorted(Path(folder).glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document["kind"] == "NodeNetworkConfigurationPolicy"
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_passes(example: str) -> None:
    """Users apply them unchanged. None of them is odd either."""
    spec = dict(EXAMPLES[example])
    verdict = judged(spec.pop("desiredState"), **spec)
    assert verdict.message == ""
    assert verdict.warnings == ()


ETH1 = {"name": "eth1", "type": "ethernet", "state": "up"}
FINE: dict[str, Any] = {
    "nothing": {},
    "none": None,
    "no interfaces": {"interfaces": []},
    **WIZARD,
    "numbers as text": {
        "interfaces": [
            {
                **ETH1,
                "mtu": "9000",
                "ipv4": {"enabled": "true", "address": [{"ip": "192.0.2.1", "prefix-length": "24"}]},
            },
            {
                "name": "bond0",
                "type": "bond",
                "state": "up",
                "link-aggregation": {"mode": "balance-rr", "options": {"miimon": "140"}, "port": ["eth2"]},
            },
            {"name": "eth1.7", "type": "vlan", "state": "up", "vlan": {"base-iface": "eth1", "id": "7"}},
        ]
    },
    "an interface that no node has": {"interfaces": [{"name": "eth666", "type": "ethernet", "state": "up"}]},
    "an interface without type": {"interfaces": [{"name": "eth1", "state": "up", "mtu": 9000}]},
    "a type that nmstate cannot make": {"interfaces": [{"name": "wg0", "type": "wireguard", "state": "up"}]},
    "keys of an interface that goes": {"interfaces": [{"name": "br1", "state": "absent", "bridge": {"prt": []}}]},
    "a small MTU, where IPv6 may be off": {"interfaces": [{**ETH1, "mtu": 1000}]},
    "a route through a card that the policy does not describe": {
        "routes": {"config": [{"destination": "198.51.100.0/24", "next-hop-interface": "eth1"}]}
    },
    "a route through a new bond whose addresses may be there": {
        "interfaces": [
            {
                "name": "bond0",
                "type": "bond",
                "state": "up",
                "link-aggregation": {"mode": "balance-rr", "port": ["eth1"]},
            }
        ],
        "routes": {"config": [{"destination": "198.51.100.0/24", "next-hop-interface": "bond0"}]},
    },
    "an option of a bond whose mode may be there": {
        "interfaces": [
            {
                "name": "bond0",
                "type": "bond",
                "state": "up",
                "link-aggregation": {"port": ["eth1"], "options": {"lacp_rate": "fast"}},
            }
        ]
    },
    "a card with addresses that becomes a port": {
        "interfaces": [
            ETH1,
            {"name": "br1", "type": "linux-bridge", "state": "up", "bridge": {"port": [{"name": "eth1"}]}},
        ]
    },
    "a mapping to an OVS bridge that goes with it": {
        "interfaces": [{"name": "ovs-br1", "type": "ovs-bridge", "state": "absent"}],
        "ovn": {"bridge-mappings": [{"localnet": "net", "state": "absent"}]},
    },
    "a trunk whose tags may be there": {
        "interfaces": [
            {
                "name": "br1",
                "type": "linux-bridge",
                "state": "up",
                "bridge": {"port": [{"name": "eth1", "vlan": {"mode": "trunk", "enable-native": True, "tag": 100}}]},
            }
        ]
    },
    "an interface by its MAC address": {
        "interfaces": [
            {"name": "uplink", "type": "ethernet", "identifier": "mac-address", "mac-address": "02:00:00:00:00:01"}
        ]
    },
    "DNS servers": {"dns-resolver": {"config": {"server": ["192.0.2.53", "2001:db8::53"], "search": ["example.org"]}}},
}


@pytest.mark.parametrize("name", FINE)
def test_what_a_node_would_take_passes(name: str) -> None:
    """The console's shapes, text for numbers, what is not there yet, what depends on what is there."""
    verdict = judged(FINE[name], nodeSelector={"node-role.kubernetes.io/worker": ""})
    assert (verdict.allowed, verdict.message) == (True, "")


GATEWAY = {
    "gw": 'routes.running.destination=="0.0.0.0/0"',
    "base": "interfaces.name==capture.gw.routes.running.0.next-hop-interface",
}


@pytest.mark.parametrize(
    "desired",
    [
        {"interfaces": "{{ capture.base.interfaces }}"},
        {"interfaces": ["{{ capture.base.interfaces.0 }}", ETH1]},
        {
            "interfaces": [
                {
                    "name": "br1",
                    "type": "linux-bridge",
                    "state": "up",
                    "mtu": "{{ capture.base.interfaces.0.mtu }}",
                    "ipv4": "{{ capture.base.interfaces.0.ipv4 }}",
                    "ipv6": {"enabled": "{{ capture.base.interfaces.0.ipv6.enabled }}", "address": [
                        {"ip": "{{ capture.base.interfaces.0.ipv6.address.0.ip }}", "prefix-length": 64}]},
                    "bridge": {"port": [{"name": "{{ capture.base.interfaces.0.name }}"}]},
                },
                {"name": "a-{{ capture.base.interfaces.0.name }}-of-more-than-15", "state": "up"},
            ],
            "routes": {
                "config": [
                    {
                        "destination": "198.51.100.0/24",
                        "next-hop-interface": "br1",
                        "next-hop-address": "{{ capture.gw.routes.running.0.next-hop-address }}",
                        "metric": "{{ capture.gw.routes.running.0.metric }}",
                    }
                ]
            },
        },
        {"interfaces": [{"name": "b", "type": "linux-bridge", "bridge": {"port": ["{{ capture.base.interfaces }}"]}}]},
        {"interfaces": [{"name": "v", "type": "vlan", "vlan": {"id": "{{ capture.base.description }}",
                                                              "base-iface": "{{ capture.base.interfaces.0.name }}"}}]},
        {"interfaces": [{"name": "x", "type": "vrf", "vrf": {"port": "{{ capture.base.interfaces.name }}"}}]},
    ],
)  # fmt: skip
def test_what_captures_may_find_passes(desired: Any) -> None:
    """A reference may become anything."""
    verdict = judged(desired, capture=GATEWAY)
    assert (verdict.allowed, verdict.message) == (True, "")
