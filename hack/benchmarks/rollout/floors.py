"""What this machine takes of writes, whoever sends them: the time that a rollout is measured against.

`plain`   status patches of objects that nobody watches. One client, 16 at once.
`watched` writes like those of a rollout: an enactment made, its status twice, its deletion, each of them sent by the
          API server to its node and to the controller, and looked at for all the other nodes, which watch, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_conditions
from nmstate_k8s.api.meta import NODE_LABEL
from nmstate_k8s.api.model import to_json
from nmstate_k8s.core.client import Client
from nmstate_k8s.domain.kinds import ENACTMENTS, NODE_STATES

__all__ = ["at_once", "plain", "watched"]

AT_ONCE = 16
WRITES = 2000
OBJECTS = 100


async def at_once(works: Iterable[Callable[[], Awaitable[Any]]]) -> None:
    """Some at a time."""
    waiting = iter(works)

    async def some() -> None:
        for work in waiting:
            await work()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def plain(client: Client) -> tuple[float, int]:
    """Writes a second, and how many there were."""
    names = [f"floor-{number}" for number in range(OBJECTS)]
    for name in names:
        await client.create(NODE_STATES, {"metadata": {"name": name}})

    async def write(number: int) -> None:
        state = {"interfaces": [{"name": f"eth{each}", "mtu": number} for each in range(10)]}
        body = {"status": {"currentState": state}}
        await client.merge_patch(NODE_STATES, names[number % OBJECTS], body, subresource="status")

    begun = time.monotonic()
    await at_once(lambda number=number: write(number) for number in range(WRITES))  # type: ignore[misc]
    return WRITES / (time.monotonic() - begun), WRITES


async def watched(client: Client, nodes: Sequence[str]) -> tuple[float, int]:
    """Writes a second, and how many there were.

    The enactments are of no policy, and no node is admitted: nobody does anything about them.
    """
    names = [f"{nodes[number % len(nodes)]}.floor-{number}" for number in range(WRITES // 4)]

    async def write(number: int) -> None:
        name = names[number]
        labels = {NODE_LABEL: nodes[number % len(nodes)]}
        await client.create(ENACTMENTS, {"metadata": {"name": name, "labels": labels}})
        for phase in (EnactmentPhase.PROGRESSING, EnactmentPhase.AVAILABLE):
            conditions = [to_json(each) for each in enactment_conditions(phase, "", now=datetime.now(UTC))]
            body = {"status": {"conditions": conditions, "policyGeneration": 1}}
            await client.merge_patch(ENACTMENTS, name, body, subresource="status")

    begun = time.monotonic()
    await at_once(lambda number=number: write(number) for number in range(len(names)))  # type: ignore[misc]
    await at_once(lambda name=name: client.delete(ENACTMENTS, name) for name in names)  # type: ignore[misc]
    return 4 * len(names) / (time.monotonic() - begun), 4 * len(names)
