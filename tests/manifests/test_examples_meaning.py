"""What the examples mean on a node with ordinary cards, as libnmstate itself says. Needs the wheel, not a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from nmstate_k8s.domain.host.nmstate_binding import LibnmstateHost
from nmstate_k8s.domain.host.prepare import Prepared, prepare

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

EXAMPLES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(Path("manifests/examples").glob("*.yaml"))}
OFF = {"enabled": False}


def card(name: str, state: str = "up") -> dict[str, Any]:
    mac = f"02:00:00:00:00:0{name[-1]}"
    about = {"name": name, "type": "ethernet", "state": state, "mac-address": mac, "mtu": 1500}
    return {**about, "ipv4": OFF, "ipv6": OFF, "lldp": OFF}


NODE = {
    "interfaces": [
        card("eth0"),
        card("eth1"),
        card("eth2"),
        card("eth3", "down"),
        {"name": "cni0", "type": "linux-bridge", "state": "ignore"},
    ]
}


async def meaning(example: str) -> Prepared:
    spec = EXAMPLES[example]["spec"]
    host = LibnmstateHost()
    try:
        return await prepare(host, spec["desiredState"], spec.get("capture", {}), {}, msgspec.json.encode(NODE))
    finally:
        host.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("example", EXAMPLES)
async def test_an_example_can_be_brought_about(example: str) -> None:
    """Nothing in it is misspelt or refused, and it changes something."""
    prepared = await meaning(example)
    assert prepared.fault is None
    assert prepared.change or example == "dns-cleanup"


@pytest.mark.asyncio
async def test_lldp_is_for_the_cards_that_are_up() -> None:
    """The captures leave out what is down and what is no card."""
    prepared = await meaning("lldp")
    interfaces = msgspec.json.decode(prepared.desired)["interfaces"]
    assert {each["name"]: each["lldp"] for each in interfaces} == {
        name: {"enabled": True} for name in ("eth0", "eth1", "eth2")
    }
