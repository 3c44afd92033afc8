"""Streaming lists of a real API server: one request for list and watch, and pages where it is refused."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import pytest
import pytest_asyncio

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.transport import HttpTransport
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.counting import CountingTransport
from nmstate_k8s.testing.faultproxy import FaultProxy
from nmstate_k8s.testing.faults import Refuse

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
LIST, WATCH = ("list", "configmaps"), ("watch", "configmaps")
THERE = {f"streamed-{n}" for n in range(7)}

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@pytest_asyncio.fixture
async def others(control_plane: ControlPlane) -> AsyncIterator[Client]:
    """Somebody else, who has made some objects, and takes away what is left of them."""
    async with Client(control_plane.config) as client:
        await put(client, THERE)
        yield client
        await client.delete_collection(CONFIG_MAPS, "default", label_selector="test=streaming")


async def put(client: Client, names: Collection[str]) -> None:
    """Make or change objects."""
    for name in names:
        metadata = {"name": name, "namespace": "default", "labels": {"test": "streaming"}}
        await client.apply(CONFIG_MAPS, {"metadata": metadata}, field_manager="t")


@asynccontextmanager
async def mirrored(config: ClusterConfig) -> AsyncIterator[tuple[Informer, Counter[tuple[str, str]]]]:
    """An informer that wishes for a streaming list, in step, and the requests that were made."""
    transport = CountingTransport(HttpTransport(config, user_agent="t"))
    async with Client(config, transport=transport, page_size=3) as client:
        informer = Informer(client, CONFIG_MAPS, label_selector="test=streaming", streaming_list=True)
        task = asyncio.create_task(informer.run())
        try:
            await informer.wait_for_sync()
            yield informer, transport.asked
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def names(informer: Informer) -> set[str]:
    return {key.name for key in informer.store}


async def test_one_request_brings_the_list_and_what_happens_then(control_plane: ControlPlane, others: Client) -> None:
    """A list in pages would have been four."""
    async with mirrored(control_plane.config) as (informer, asked):
        assert names(informer) == THERE
        await put(others, ["streamed-new"])
        await others.delete(CONFIG_MAPS, "streamed-0", "default")
        await until(lambda: names(informer) == THERE - {"streamed-0"} | {"streamed-new"}, 30)
        assert asked == {LIST: 1}
        assert informer.version > 0


async def test_a_new_list_is_streamed_too(control_plane: ControlPlane, others: Client) -> None:
    """Again one request."""
    async with mirrored(control_plane.config) as (informer, asked):
        informer.relist()
        await until(lambda: informer.lists == 2, 30)
        assert (names(informer), asked) == (THERE, {LIST: 2})


async def test_a_refused_streaming_list_costs_one_request(control_plane: ControlPlane, others: Client) -> None:
    """Then there are three pages, and a watch that goes on from them."""
    async with FaultProxy.run(control_plane.config) as proxy:
        proxy.add(Refuse(verbs=("watch",), code=422, reason="Invalid", times=1))
        async with mirrored(proxy.config) as (informer, asked):
            assert names(informer) == THERE
            await put(others, ["streamed-new"])
            await until(lambda: names(informer) == THERE | {"streamed-new"}, 30)
            assert asked == {LIST: 1 + 3, WATCH: 1}
