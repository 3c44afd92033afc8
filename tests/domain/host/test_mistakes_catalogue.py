"""The catalogue of mistakes, asked of libnmstate without a node: those that are found before anything changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from e2e.kit.mistakes import Mistake, catalogue
from nmstate_k8s.domain.admission.refusing import refuse_wrong
from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.host.nmstate_binding import LibnmstateHost
from nmstate_k8s.domain.host.outcome import MAX_MESSAGE, Outcome, message
from nmstate_k8s.domain.host.prepare import prepare

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")


def card(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "ethernet", "state": "up", "mtu": 1500, "min-mtu": 68, "max-mtu": 65535, **more}


NODE: dict[str, Any] = {
    "interfaces": [
        {"name": "lo", "type": "loopback", "state": "up"},
        card(
            "eth0",
            ipv4={"enabled": True, "dhcp": True, "address": [{"ip": "10.11.0.11", "prefix-length": 24}]},
            ipv6={"enabled": True, "dhcp": True, "autoconf": True},
        ),
        card("eth1"),
        card("eth2"),
    ],
    "routes": {
        "running": [
            {
                "destination": "0.0.0.0/0",
                "next-hop-interface": "eth0",
                "next-hop-address": "10.11.0.1",
                "table-id": 254,
            }
        ],
        "config": [],
    },
}
"""What a node of the lab looks like."""

FOUND_EARLY = [
    pytest.param(mistake, id=mistake.name)
    for subject in catalogue()
    for mistake in subject.mistakes
    if mistake.changes_nothing
]


@pytest.mark.parametrize("mistake", FOUND_EARLY)
@pytest.mark.asyncio
async def test_a_mistake_is_told_as_the_catalogue_says(mistake: Mistake) -> None:
    """The very words of the guide, in at most 300 characters; for good where no node could do it."""
    host = LibnmstateHost()
    spec = mistake.spec
    try:
        prepared = await prepare(host, spec["desiredState"], spec.get("capture", {}), {}, msgspec.json.encode(NODE))
        everywhere = await refused_at_admission(host, spec)
    finally:
        host.close()
    fault = prepared.fault
    assert fault is not None, "nothing is wrong with it"
    told = message("node1", Outcome("t", prepared=prepared, fault=fault))
    assert mistake.told(told, "node1"), told
    assert (fault.stage, fault.reason, fault.interface) == (mistake.stage, mistake.reason, mistake.interface)
    assert len(told) <= MAX_MESSAGE
    assert fault.lasting == (fault.stage == "generate" or everywhere)


async def refused_at_admission(host: LibnmstateHost, spec: dict[str, Any]) -> bool:
    """Whether it is wrong for whoever knows no node."""
    try:
        await refuse_wrong(host, spec["desiredState"], spec.get("capture", {}), (), allow_dispatch=False)
    except DesiredStateError:
        return True
    return False


def test_the_catalogue_is_large_and_its_names_are_its_own() -> None:
    """At least 25 mistakes; each name is a policy's."""
    names = [mistake.name for subject in catalogue() for mistake in subject.mistakes]
    assert len(names) >= 25
    assert len(set(names)) == len(names)
