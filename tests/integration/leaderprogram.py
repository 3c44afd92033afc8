"""A process that stands for election and counts in a ConfigMap for as long as it leads: what a writer of the wrong
moment would spoil. `python -m tests.integration.leaderprogram` reads an `Order` from the file that it is given.
"""

import asyncio
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.clock import SystemClock
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ApiError, NotLeader
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Resource

__all__ = ["CONFIG_MAPS", "NAMESPACE", "Order", "connected", "election"]

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
NAMESPACE = "default"
BETWEEN_WRITES = 0.02


class Order(msgspec.Struct, frozen=True):
    """Who is to stand for what."""

    identity: str
    name: str
    """Of the Lease and of the ConfigMap; of a controller: its namespace."""
    server: str
    ca_file: str
    cert_file: str
    key_file: str
    lease_seconds: float
    skew_seconds: float
    """How far its wall clock is ahead."""


class SkewedClock(SystemClock):
    """A machine whose wall clock was never set right."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._ahead


class Counting:
    """Works while it leads. What it writes bears its name and no precondition: only the fence holds it back."""

    def __init__(self, client: Client, order: Order) -> None:
        self._client = client
        self._order = order

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            patch: dict[str, Any] = {"data": {"by": self._order.identity, "number": str(number)}}
            # The wire may be cut, or we woke too late and are about to be told: the next number tells more.
            with suppress(ApiError, NotLeader):
                await self._client.merge_patch(CONFIG_MAPS, self._order.name, patch, namespace=NAMESPACE)
            await asyncio.sleep(BETWEEN_WRITES)


def connected(order: Order) -> Client:
    """A client with the order's clock."""
    config = ClusterConfig(
        server=order.server, ca_file=order.ca_file, cert_file=order.cert_file, key_file=order.key_file
    )
    return Client(config, clock=SkewedClock(order.skew_seconds), request_timeout=order.lease_seconds / 2)


def election(client: Client, order: Order, name: str, namespace: str) -> LeaderElection:
    """For a Lease, at the order's speed."""
    seconds = order.lease_seconds
    return LeaderElection(
        client,
        name,
        namespace,
        order.identity,
        lease_seconds=seconds,
        renew_deadline=seconds * 2 / 3,
        retry=seconds / 8,
    )


async def stand(order: Order) -> None:
    """Until the process is ended."""
    async with connected(order) as client:
        manager = Manager(client, leader_election=election(client, order, order.name, NAMESPACE))
        manager.add(Counting(manager.leader_client, order), leader_only=True)
        await manager.run()


if __name__ == "__main__":
    asyncio.run(stand(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Order)))
