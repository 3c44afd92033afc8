"""Informers of a real API server that is well, over connections that may not be. `test_core_convergence`: it is ill."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Key, Resource
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.proxy import TcpProxy

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


def config_map(name: str, **data: str) -> dict[str, object]:
    """A small object that our informers choose."""
    return {"metadata": {"name": name, "namespace": "default", "labels": {"test": "informer"}}, "data": data}


class Mirror:
    """An informer that runs, and what it told."""

    def __init__(self, client: Client) -> None:
        self.informer = Informer(
            client,
            CONFIG_MAPS,
            label_selector="test=informer",
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


async def test_the_store_follows_the_server(control_plane: ControlPlane) -> None:
    """What is there, what is made, changed and deleted; indexed; without managedFields."""
    async with Client(control_plane.config) as client:
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


@asynccontextmanager
async def behind_a_wire(control_plane: ControlPlane) -> AsyncIterator[tuple[Client, TcpProxy]]:
    """A client whose network can be cut while others still reach the server."""
    async with TcpProxy.run(control_plane.port) as wire:
        config = replace(control_plane.config, server=f"https://127.0.0.1:{wire.port}")
        async with Client(config, request_timeout=5) as client:
            yield client, wire


async def test_a_reset_finds_the_way_out_of_a_half_open_watch(control_plane: ControlPlane) -> None:
    """The address moves, the old connections are dead and do not know it; we do."""
    async with (
        Client(control_plane.config) as other,
        behind_a_wire(control_plane) as (client, wire),
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
