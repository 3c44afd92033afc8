"""Informers against a real API server that is stopped, forgets its history, and loses kinds."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Key, Resource
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.proxy import TcpProxy

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
THINGS = Resource("example.com", "v1", "things", "Thing")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane of our own, to be ill-treated."""
    with ControlPlane.start() as plane:
        yield plane


def config_map(name: str, **data: str) -> dict[str, object]:
    """A small object that our informers choose."""
    return {"metadata": {"name": name, "namespace": "default", "labels": {"test": "informer"}}, "data": data}


def crd() -> dict[str, object]:
    """A kind that accepts everything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.kind,
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [version],
        },
    }


class Mirror:
    """An informer that runs, and what it told."""

    def __init__(self, client: Client, resource: Resource = CONFIG_MAPS, label_selector: str = "test=informer"):
        self.informer = Informer(
            client,
            resource,
            label_selector=label_selector,
            indexers={"value": lambda obj: obj.to_dict().get("data", {}).values()},
        )
        self.events: list[Event] = []
        self.informer.add_handler(self.events.append)

    @property
    def names(self) -> set[str]:
        """What the store has."""
        return {key.name for key in self.informer.store}

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Mirror"]:
        """In the background."""
        task = asyncio.create_task(self.informer.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def apply(client: Client, name: str, **data: str) -> None:
    """Write an object."""
    await client.apply(CONFIG_MAPS, config_map(name, **data), field_manager="t")


async def test_the_store_follows_the_server(plane: ControlPlane) -> None:
    """What is there, what is made, changed and deleted; indexed; without managedFields."""
    async with Client(plane.config) as client:
        await apply(client, "follow-1", color="red")
        async with Mirror(client).run() as mirror:
            await mirror.informer.wait_for_sync()
            store = mirror.informer.store
            assert mirror.names == {"follow-1"}
            await apply(client, "follow-2", color="green")
            await apply(client, "follow-1", color="green")
            await until(lambda: len(store.by_index("value", "green")) == 2)
            found = store.get(Key("default", "follow-1"))
            assert found is not None
            assert b"managedFields" not in found.raw
            for name in ("follow-1", "follow-2"):
                await client.delete(CONFIG_MAPS, name, "default")
            await until(lambda: not mirror.names)
            kinds = [(event.old is not None, event.new is not None) for event in mirror.events]
            assert kinds == [(False, True), (False, True), (True, True), (True, False), (True, False)]


async def test_informers_survive_a_killed_server(plane: ControlPlane) -> None:
    """They go on where they were when it is back."""
    async with Client(plane.config) as client, Mirror(client).run() as mirror:
        await apply(client, "survive-1")
        await until(lambda: mirror.names == {"survive-1"})
        plane.stop_apiserver(kill=True)
        await asyncio.to_thread(plane.start_apiserver)
        await apply(client, "survive-2")
        await until(lambda: mirror.names == {"survive-1", "survive-2"})
        assert all(event.old is None for event in mirror.events)
        for name in mirror.names:
            await client.delete(CONFIG_MAPS, name, "default")


@asynccontextmanager
async def behind_a_wire(plane: ControlPlane) -> AsyncIterator[tuple[Client, TcpProxy]]:
    """A client whose network can be cut while others still reach the server."""
    async with TcpProxy.run(plane.port) as wire:
        config = replace(plane.config, server=f"https://127.0.0.1:{wire.port}")
        async with Client(config, request_timeout=5) as client:
            yield client, wire


async def test_what_history_has_forgotten_is_found_by_listing(plane: ControlPlane) -> None:
    """While we are cut off, somebody deletes and adds, and etcd forgets: nothing is missed."""
    async with (
        Client(plane.config) as other,
        behind_a_wire(plane) as (client, wire),
        Mirror(client).run() as mirror,
    ):
        for name in ("stays", "goes", "changes"):
            await apply(other, f"gap-{name}")
        await until(lambda: len(mirror.names) == 3)
        mirror.events.clear()
        await wire.cut()
        await other.delete(CONFIG_MAPS, "gap-goes", "default")
        await apply(other, "gap-changes", color="red")
        await apply(other, "gap-new")
        plane.stop_apiserver(kill=True)
        await asyncio.to_thread(plane.etcd.compact)
        await asyncio.to_thread(plane.start_apiserver)
        wire.restore()
        await until(lambda: mirror.names == {"gap-stays", "gap-changes", "gap-new"}, 60)
        told = [(event.key.name, event.old is not None, event.new is not None) for event in mirror.events]
        assert sorted(told) == [
            ("gap-changes", True, True),
            ("gap-goes", True, False),
            ("gap-new", False, True),
        ]
        for name in mirror.names:
            await other.delete(CONFIG_MAPS, name, "default")


async def test_a_reset_finds_the_way_out_of_a_half_open_watch(plane: ControlPlane) -> None:
    """The address moves, the old connections are dead and do not know it; we do."""
    async with (
        Client(plane.config) as other,
        behind_a_wire(plane) as (client, wire),
        Mirror(client).run() as mirror,
    ):
        await mirror.informer.wait_for_sync()
        wire.freeze()
        await apply(other, "half-open")
        stuck = asyncio.create_task(client.list(CONFIG_MAPS))
        await asyncio.sleep(0.2)
        assert not mirror.names
        wire.restore()
        client.reset_connections()
        async with asyncio.timeout(3):
            await stuck
            await until(lambda: mirror.names == {"half-open"})
        await other.delete(CONFIG_MAPS, "half-open", "default")
        await until(lambda: not mirror.names)


async def test_a_kind_may_go_and_come_again(plane: ControlPlane) -> None:
    """Nobody restarts because a CRD was deleted; its objects are gone, new ones are seen."""
    async with Client(plane.config) as client, Mirror(client, THINGS, "").run() as mirror:
        await asyncio.to_thread(install, plane)
        await client.create(THINGS, {"metadata": {"name": "one"}})
        await until(lambda: mirror.names == {"one"}, 60)
        await client.delete(CRDS, "things.example.com")
        await until(lambda: not mirror.names, 60)
        await gone(client, "things.example.com")
        await asyncio.to_thread(install, plane)
        await client.create(THINGS, {"metadata": {"name": "two"}})
        await until(lambda: mirror.names == {"two"}, 60)
        assert [(e.key.name, e.new is not None) for e in mirror.events] == [
            ("one", True),
            ("one", False),
            ("two", True),
        ]


async def gone(client: Client, crd: str) -> None:
    """A deleted CRD stays until its objects are gone; before, an apply would be lost with it."""
    async with asyncio.timeout(30):
        with suppress(NotFound):
            while True:
                await client.get(CRDS, crd)
                await asyncio.sleep(0.05)


def install(plane: ControlPlane) -> None:
    """Make the kind served."""
    path = Path(str(plane.kubeconfig)).parent / "crd.yaml"
    path.write_text(json.dumps(crd()))
    plane.install_crds(path)
