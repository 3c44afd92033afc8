"""A whole process against a real API server: two replicas, one leader, work that is handed over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.controller import Controller, Result
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.leaderelection import LEASES, LeaderElection
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Key, Resource
from nmstate_k8s.core.store import Store
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


class Upper:
    """Keeps `upper` the capitals of `word`, and says who did it."""

    def __init__(self, client: Client, store: Store, name: str) -> None:
        self._client = client
        self._store = store
        self._name = name

    async def reconcile(self, key: Key) -> Result | None:
        found = self._store.get(key)
        if found is None:
            return None
        data = found.to_dict()["data"]
        wanted = data["word"].upper()
        if data.get("upper") != wanted:
            patch = {"data": {"upper": wanted, "by": self._name}}
            await self._client.merge_patch(CONFIG_MAPS, key.name, patch, namespace=key.namespace)
        return None


class Replica:
    """One of several processes, as far as the API server can tell."""

    def __init__(self, client: Client, name: str) -> None:
        metrics = Metrics()
        self.election = LeaderElection(
            client, "core-manager", "default", name, lease_seconds=3, renew_deadline=2, retry=0.3, metrics=metrics
        )
        self.manager = Manager(client, leader_election=self.election, metrics=metrics)
        informer = self.manager.informer(CONFIG_MAPS, label_selector="test=manager")
        controller = Controller("upper", Upper(client, informer.store, name), metrics=metrics)
        controller.watch(informer)
        self.manager.add(controller, leader_only=True)
        self.task = asyncio.create_task(self.manager.run(signals=False))

    async def stop(self) -> None:
        """In order."""
        self.manager.stop()
        await self.task


@asynccontextmanager
async def replica(plane: ControlPlane, name: str) -> AsyncIterator[Replica]:
    """A replica with a client of its own."""
    async with Client(plane.config) as client:
        made = Replica(client, name)
        yield made
        await made.stop()


async def write(client: Client, name: str, word: str) -> None:
    """What is to be reconciled."""
    body = {"metadata": {"name": name, "namespace": "default", "labels": {"test": "manager"}}}
    await client.apply(CONFIG_MAPS, body | {"data": {"word": word}}, field_manager="t")


async def done_by(client: Client, name: str, upper: str) -> str:
    """Wait until it is reconciled; who did it."""
    async with asyncio.timeout(20):
        while True:
            data = (await client.get(CONFIG_MAPS, name, "default")).to_dict()["data"]
            if data.get("upper") == upper:
                return str(data["by"])
            await asyncio.sleep(0.05)


async def test_one_replica_works_and_the_other_takes_over(control_plane: ControlPlane, client: Client) -> None:
    """Changes are reconciled by the leader; when it stops, the other one goes on at once."""
    async with replica(control_plane, "one") as one:
        await until(lambda: one.election.is_leader)
        async with replica(control_plane, "two") as two:
            await write(client, "first", "hello")
            assert await done_by(client, "first", "HELLO") == "one"
            await until(lambda: two.election.leader == "one")
            assert not two.election.is_leader
            await one.stop()
            started = asyncio.get_running_loop().time()
            await write(client, "first", "world")
            assert await done_by(client, "first", "WORLD") == "two"
            assert asyncio.get_running_loop().time() - started < 2
    lease = await client.get(LEASES, "core-manager", "default")
    assert lease.to_dict()["spec"].get("holderIdentity", "") == ""


async def test_a_leader_that_is_shot_is_replaced_when_its_lease_has_run_out(
    control_plane: ControlPlane, client: Client
) -> None:
    """Without a word from it."""
    with suppress(NotFound):
        await client.delete(LEASES, "core-manager", "default")
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 2, "renewTime": "2026-01-01T00:00:00.000000Z"}
    body = {"metadata": {"name": "core-manager", "namespace": "default"}, "spec": spec}
    await client.create(LEASES, body)
    async with replica(control_plane, "three") as three:
        await until(lambda: three.election.leader == "dead")
        await until(lambda: three.election.is_leader)
        await write(client, "second", "again")
        assert await done_by(client, "second", "AGAIN") == "three"
