"""Admission refuses nothing that some node would take: states grown from all that are written down here, mutated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
import yaml

from e2e.kit.mistakes import catalogue
from nmstate_k8s.domain.admission.refusing import refuse_wrong
from nmstate_k8s.domain.desired.binding import Computing
from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.host.nmstate_binding import LibnmstateHost
from nmstate_k8s.domain.host.prepare import prepare
from tests.domain.admission.test_what_passes import FINE
from tests.domain.desired.test_impossible import NO_NODE_CAN, REAL_NODE
from tests.domain.desired.test_unread_keys import STATE

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

SEEDS = 12
EACH = 30
"""States of each seed. `SEEDS` may be raised for a longer look."""

VALUES: tuple[Any, ...] = (
    True, False, 0, 1, -1, 7, 5000, 2**40, "", "x", "7", "up", "absent", "ignore", "unknown", "eth1", "bond0", "br1",
    "192.0.2.1", "2001:db8::1", "192.0.2.0/24", "ethernet", "bond", "vlan", "linux-bridge", "ovs-bridge", "vrf", "veth",
    "wireguard", "trunk", "access", "802.3ad", "<_password_hid_by_nmstate>", None, [], {}, ["eth1"], {"name": "eth1"},
    "{{ capture.base.interfaces.0.name }}", "{{ capture.base.interfaces }}", "{{ capture.nobody.interfaces }}", "{{",
)  # fmt: skip
CAPTURE = {"base": 'interfaces.type=="ethernet"'}


def bases() -> list[Any]:
    """Every desired state that is written down in this repository's tests and examples."""
    found = [*FINE.values(), *NO_NODE_CAN.values(), STATE]
    found += [mistake.spec["desiredState"] for subject in catalogue() for mistake in subject.mistakes]
    for path in sorted(Path("manifests/examples").glob("*.yaml")):
        found += [document["spec"]["desiredState"] for document in yaml.safe_load_all(path.read_text())]
    return [state for state in found if state]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All paths of a state."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in pairs:
        yield (*path, step)
        yield from places(inner, (*path, step))


def mutated(state: Any, chance: random.Random) -> Any:
    """With one to three things done to it."""
    state = deepcopy(state)
    for _ in range(chance.randint(1, 3)):
        if not (found := list(places(state))):
            break
        *holder, step = chance.choice(found)
        level = state
        for each in holder:
            level = level[each]
        done = chance.randrange(5)
        if done == 0:
            del level[step]
        elif done == 1 and isinstance(level, dict):
            level[step[:-1] or "k"] = level.pop(step)
        elif done == 2 and isinstance(level, list):
            level.append(deepcopy(level[step]))
        elif done == 3 and isinstance(level, dict):
            level[chance.choice(("mttu", "pasword", "ipv4", "vlan", "state", "controller", "port"))] = chance.choice(
                VALUES
            )
        else:
            level[step] = deepcopy(chance.choice(VALUES))
    return state


def card(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "ethernet", "state": "up", "mac-address": f"02:00:00:00:00:0{name[-1]}", **more}


ADDRESSED = {
    "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.9", "prefix-length": 24}]},
    "ipv6": {"enabled": True},
}
RICH_NODE = {
    "interfaces": [
        {"name": "lo", "type": "loopback", "state": "up"},
        *(card(f"eth{number}", **ADDRESSED) for number in range(6)),
        {
            "name": "bond0",
            "type": "bond",
            "state": "up",
            **ADDRESSED,
            "link-aggregation": {"mode": "802.3ad", "port": [], "options": {"lacp_rate": "fast", "miimon": 100}},
        },
        {
            "name": "br1",
            "type": "linux-bridge",
            "state": "up",
            "bridge": {"port": [{"name": "eth5", "vlan": {"mode": "trunk", "trunk-tags": [{"id": 5}]}}], "options": {}},
        },
        {"name": "br-ex", "type": "ovs-bridge", "state": "up", "bridge": {"port": [], "options": {}}},
        {"name": "wg0", "type": "unknown", "state": "up"},
        {"name": "red", "type": "vrf", "state": "up", "vrf": {"port": [], "route-table-id": 100}},
    ],
    "dns-resolver": {"config": {"server": ["192.0.2.53"]}, "running": {"server": ["192.0.2.53"]}},
}


async def refused_early(state: Any) -> str:
    try:
        await refuse_wrong(Computing(), state, CAPTURE, (), allow_dispatch=False)
    except DesiredStateError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_refused_early_no_node_takes(seed: int) -> None:
    """On a poor node, an ordinary one and a rich one. And whatever a state is, a node answers."""
    chance = random.Random(seed)
    grown = bases()
    host = LibnmstateHost()
    refusals = 0

    async def look() -> None:
        nonlocal refusals
        for _ in range(EACH):
            state = mutated(chance.choice(grown), chance)
            said = await refused_early(state)
            refusals += bool(said)
            for node in (RICH_NODE, REAL_NODE, {"interfaces": []}) if said else (RICH_NODE,):
                prepared = await prepare(host, state, CAPTURE, {}, msgspec.json.encode(node))
                assert prepared.fault or not said, f"{said}\n{msgspec.json.encode(state).decode()}"

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        asyncio.run(look())
    finally:
        structlog.reset_defaults()
        host.close()
    assert 0 < refusals < EACH
