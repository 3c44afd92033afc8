"""Each fault of the proxy, as a client of a real API server meets it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import ApiError, Expired, Silent, Throttled, Unavailable
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.retry import NO_RETRY
from nmstate_k8s.core.watching import WatchEvent
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.faultproxy import FaultProxy
from nmstate_k8s.testing.faults import (
    Asked,
    Cut,
    Delay,
    Duplicate,
    Fault,
    Frozen,
    HalfOpen,
    InStream,
    LostAnswer,
    OlderList,
    Refuse,
    TornLine,
    Withheld,
    asked_for,
)

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane.start() as plane:
        yield plane


@asynccontextmanager
async def between(plane: ControlPlane) -> AsyncIterator[tuple[FaultProxy, Client, Client]]:
    """The proxy, a client behind it, and one that goes straight to the server."""
    async with (
        FaultProxy.run(plane.config) as proxy,
        Client(proxy.config, request_timeout=2, watch_idle_seconds=1, retry=NO_RETRY) as client,
        Client(plane.config) as straight,
    ):
        yield proxy, client, straight
        await straight.delete_collection(CONFIG_MAPS, "default", label_selector="test=proxy")


def thing(name: str, value: str = "") -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default", "labels": {"test": "proxy"}}, "data": {"value": value}}


@asynccontextmanager
async def watching(client: Client) -> AsyncIterator[list[WatchEvent | Exception]]:
    """What a watch gives from now on, and what ends it."""
    listed = await client.list(CONFIG_MAPS, "default", "test=proxy")
    seen: list[WatchEvent | Exception] = []

    async def watch() -> None:
        try:
            events = client.watch(
                CONFIG_MAPS, "default", resource_version=listed.resource_version, label_selector="test=proxy"
            )
            async with aclosing(events):
                async for event in events:
                    seen.append(event)
        except ApiError as error:
            seen.append(error)

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize(
    ("method", "path", "query", "asked"),
    [
        ("GET", "/api/v1/namespaces/a/configmaps/b", {}, Asked("get", "configmaps", "a", "b")),
        ("GET", "/api/v1/namespaces/a/configmaps", {"watch": "true"}, Asked("watch", "configmaps", "a")),
        ("GET", "/api/v1/namespaces", {}, Asked("list", "namespaces", page="/")),
        ("GET", "/api/v1/namespaces", {"limit": "9", "continue": "x"}, Asked("list", "namespaces", page="9/x")),
        ("GET", "/api/v1/namespaces/a", {}, Asked("get", "namespaces", "", "a")),
        ("PATCH", "/apis/g/v1/things/b/status", {}, Asked("patch", "things", "", "b", "status")),
        ("DELETE", "/apis/g/v1/things", {}, Asked("deletecollection", "things")),
        ("GET", "/readyz", {}, Asked("get", "/readyz")),
    ],
)
async def test_requests_are_told_apart(method: str, path: str, query: dict[str, str], asked: Asked) -> None:
    assert asked_for(method, path, query) == asked


async def test_without_faults_all_passes_and_is_counted(plane: ControlPlane) -> None:
    async with between(plane) as (proxy, client, straight), watching(client) as seen:
        await until(lambda: proxy.counts["watch", "configmaps"] == 1)
        await client.create(CONFIG_MAPS, thing("a"))
        await until(lambda: len(seen) == 1)
        assert (await straight.get(CONFIG_MAPS, "a", "default")).name == "a"
        assert proxy.counts == {("list", "configmaps"): 1, ("watch", "configmaps"): 1, ("create", "configmaps"): 1}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Cut(), Unavailable),
        (HalfOpen(), Unavailable),
        (Refuse(code=500), Unavailable),
        (Refuse(code=410, reason="Expired"), Expired),
        (Refuse(code=429, reason="TooManyRequests", retry_after=7), Throttled),
        (Delay(seconds=5), Unavailable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else "",
)
async def test_a_request_fails_until_it_is_healed(plane: ControlPlane, fault: Fault, error: type[ApiError]) -> None:
    async with between(plane) as (proxy, client, straight):
        await straight.create(CONFIG_MAPS, thing("a"))
        proxy.add(fault)
        with pytest.raises(error) as caught:
            await client.get(CONFIG_MAPS, "a", "default")
        assert fault.hits == 1
        if isinstance(caught.value, Throttled):
            assert caught.value.retry_after == 7
        proxy.heal()
        assert (await client.get(CONFIG_MAPS, "a", "default")).name == "a"


async def test_a_lost_answer_is_of_a_write_that_was_done(plane: ControlPlane) -> None:
    async with between(plane) as (proxy, client, straight):
        proxy.add(LostAnswer(verbs={"create"}, times=1))
        with pytest.raises(Unavailable):
            await client.create(CONFIG_MAPS, thing("a"))
        assert (await straight.get(CONFIG_MAPS, "a", "default")).name == "a"
        await client.create(CONFIG_MAPS, thing("b"))


async def test_a_cut_breaks_what_is_open_and_only_what_it_chooses(plane: ControlPlane) -> None:
    async with between(plane) as (proxy, client, _), watching(client) as seen:
        await until(lambda: proxy.counts["watch", "configmaps"] == 1)
        proxy.add(Cut(plural="secrets"))
        await client.create(CONFIG_MAPS, thing("a"))
        await until(lambda: len(seen) == 1)
        proxy.add(Cut(verbs={"watch"}))
        await until(lambda: len(seen) == 2)
        assert isinstance(seen[1], Unavailable)


@pytest.mark.parametrize(
    ("fault", "ends"),
    [(InStream(), Expired), (TornLine(), Unavailable), (HalfOpen(), Silent)],
    ids=["in stream", "torn", "half-open"],
)
async def test_a_watch_ends_as_it_should_not(plane: ControlPlane, fault: Fault, ends: type[Exception]) -> None:
    async with between(plane) as (proxy, client, straight), watching(client) as seen:
        await until(lambda: proxy.counts["watch", "configmaps"] == 1)
        proxy.add(fault)
        await straight.create(CONFIG_MAPS, thing("a"))
        await until(lambda: len(seen) == 1)
        assert type(seen[0]) is ends


async def test_events_come_twice_or_late(plane: ControlPlane) -> None:
    async with between(plane) as (proxy, client, straight), watching(client) as seen:
        await until(lambda: proxy.counts["watch", "configmaps"] == 1)
        twice = proxy.add(Duplicate())
        await straight.create(CONFIG_MAPS, thing("a"))
        await until(lambda: len(seen) == 2)
        proxy.heal(twice)
        late = proxy.add(Withheld())
        await straight.create(CONFIG_MAPS, thing("b"))
        await straight.create(CONFIG_MAPS, thing("c"))
        await until(lambda: late.hits == 1)
        assert len(seen) == 2
        proxy.heal()
        await until(lambda: len(seen) == 4)
        assert [event.object.name for event in seen if isinstance(event, WatchEvent)] == ["a", "a", "b", "c"]


@pytest.mark.parametrize("fault", [OlderList(plural="configmaps"), Frozen(plural="configmaps")])
async def test_lists_may_be_old(plane: ControlPlane, fault: Fault) -> None:
    async with between(plane) as (proxy, client, straight):
        proxy.add(fault)
        old = await client.list(CONFIG_MAPS, "default")
        await straight.create(CONFIG_MAPS, thing("a"))
        assert await client.list(CONFIG_MAPS, "default") == old
        proxy.heal()
        assert await client.list(CONFIG_MAPS, "default") != old
