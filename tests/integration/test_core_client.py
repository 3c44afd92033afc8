"""The client against a real API server."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.discovery import group_versions, is_served, resources
from nmstate_k8s.core.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Unauthorized
from nmstate_k8s.core.events import EVENTS, EventRecorder
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.tables import table
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
NODES = Resource("", "v1", "nodes", "Node")

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


def config_map(name: str, **data: str) -> dict[str, object]:
    """A small object."""
    return {"metadata": {"name": name, "namespace": "default", "labels": {"test": "client"}}, "data": data}


async def test_an_object_lives_and_dies(client: Client) -> None:
    """Created, read, patched twice, deleted; each refusal has its class."""
    made = await client.create(CONFIG_MAPS, config_map("life", a="1"))
    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAPS, config_map("life"))
    await client.merge_patch(CONFIG_MAPS, "life", {"data": {"b": "2"}}, namespace="default")
    test = {"op": "test", "path": "/data/b", "value": "2"}
    change = {"op": "replace", "path": "/data/a", "value": "3"}
    await client.json_patch(CONFIG_MAPS, "life", [test, change], namespace="default")
    read = await client.get(CONFIG_MAPS, "life", "default")
    assert read.to_dict()["data"] == {"a": "3", "b": "2"}
    assert read.uid == made.uid
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "life", "default", uid="another")
    await client.delete(CONFIG_MAPS, "life", "default", uid=made.uid)
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "life", "default")


async def test_applied_fields_have_owners(client: Client) -> None:
    """What we no longer say goes; what somebody else owns is a conflict, unless forced."""
    await client.apply(CONFIG_MAPS, config_map("owned", a="1", b="1"), field_manager="one")
    again = await client.apply(CONFIG_MAPS, config_map("owned", a="1"), field_manager="one")
    assert again.to_dict()["data"] == {"a": "1"}
    with pytest.raises(Conflict) as conflict:
        await client.apply(CONFIG_MAPS, config_map("owned", a="2"), field_manager="two", force=False)
    assert conflict.value.causes[0].field == ".data.a"
    await client.apply(CONFIG_MAPS, config_map("owned", a="2"), field_manager="two")


async def test_status_is_written_apart(client: Client) -> None:
    """By its subresource, as a patch and as an apply."""
    await client.create(NODES, {"metadata": {"name": "core-status"}})
    condition = {"type": "Ready", "status": "True"}
    body = {"metadata": {"name": "core-status"}, "status": {"conditions": [condition]}}
    await client.apply(NODES, body, field_manager="me", subresource="status")
    patch = {"status": {"nodeInfo": {"machineID": "x"}}}
    await client.merge_patch(NODES, "core-status", patch, subresource="status")
    status = (await client.get(NODES, "core-status")).to_dict()["status"]
    assert status["conditions"][0]["type"] == "Ready"
    assert status["nodeInfo"]["machineID"] == "x"


async def test_of_large_objects_the_metadata_is_enough(client: Client) -> None:
    """Every answer is cut down to it by the server: reads, lists, watches and patches."""
    await client.create(CONFIG_MAPS, config_map("large", a="1" * 1000))
    maps = CONFIG_MAPS.as_metadata()
    selected = await client.list(maps, "default", field_selector="metadata.name=large")
    watch = client.watch(
        maps, "default", resource_version=selected.resource_version, field_selector="metadata.name=large"
    )
    async with aclosing(watch) as events:
        first = asyncio.ensure_future(anext(events))
        patched = await client.merge_patch(maps, "large", {"data": {"b": "2"}}, namespace="default")
        seen = (await first).object
    read = await client.get(maps, "large", "default")
    for answered in (*selected.items, patched, seen, read):
        assert answered.name == "large"
        assert answered.labels == {"test": "client"}
        assert "data" not in answered.to_dict()
    assert (await client.get(CONFIG_MAPS, "large", "default")).to_dict()["data"]["b"] == "2"


async def test_an_invalid_object_is_told_by_field(client: Client) -> None:
    """The causes are the server's."""
    with pytest.raises(Invalid) as invalid:
        await client.create(CONFIG_MAPS, config_map("NOT_A_NAME"))
    assert invalid.value.causes[0].field == "metadata.name"


async def test_lists_are_read_in_pages(control_plane: ControlPlane) -> None:
    """Whole, with a version to watch from; selectors hold."""
    async with Client(control_plane.config, page_size=3) as client:
        names = [f"page-{number}" for number in range(10)]
        await asyncio.gather(*(client.apply(CONFIG_MAPS, config_map(n), field_manager="t") for n in names))
        got = await client.list(CONFIG_MAPS, "default", label_selector="test=client")
        assert set(names) <= {obj.name for obj in got.items}
        assert {obj.kind for obj in got.items} == {"ConfigMap"}
        one = await client.list(CONFIG_MAPS, field_selector="metadata.name=page-1")
        assert [obj.name for obj in one.items] == ["page-1"]


async def test_a_watch_tells_what_happens_after_a_version(client: Client) -> None:
    """In order."""
    version = (await client.list(CONFIG_MAPS)).resource_version
    await client.apply(CONFIG_MAPS, config_map("watched"), field_manager="t")
    await client.delete(CONFIG_MAPS, "watched", "default")
    watch = client.watch(CONFIG_MAPS, "default", resource_version=version, field_selector="metadata.name=watched")
    async with aclosing(watch) as events:
        assert [(await anext(events)).type for _ in range(2)] == ["ADDED", "DELETED"]


async def test_who_may_not_is_told_so(control_plane: ControlPlane) -> None:
    """A stranger and a nobody are told apart."""
    async with Client(control_plane.config_for("stranger")) as client:
        with pytest.raises(Forbidden, match="stranger"):
            await client.list(NODES)
    async with Client(control_plane.config_with_token("nonsense")) as client:
        with pytest.raises(Unauthorized):
            await client.list(NODES)


async def test_a_kubeconfig_leads_to_the_same_server(control_plane: ControlPlane) -> None:
    """With the client certificate that it names."""
    async with Client(ClusterConfig.from_kubeconfig(control_plane.kubeconfig)) as client:
        assert await client.request("GET", "/readyz", new_connection=True) == b"ok"


async def test_events_are_as_the_server_wants_them(client: Client) -> None:
    """Accepted, and counted as a series when they repeat: how often, and when last."""
    about = await client.apply(CONFIG_MAPS, config_map("eventful"), field_manager="t")
    recorder = EventRecorder(client, "example.com/test", "instance-1")
    running = asyncio.create_task(recorder.run())
    for _ in range(3):
        recorder.event(about, "Warning", "Broken", "it broke", "Look")
        await until(lambda: not recorder._waiting)
    recorder.event(about, "Normal", "Mended", "it works")
    running.cancel()
    await asyncio.wait({running})
    got = await client.list(EVENTS, "default", field_selector="regarding.name=eventful")
    broken, mended = sorted((event.to_dict() for event in got.items), key=lambda each: each["eventTime"])
    assert (broken["type"], broken["reason"], broken["note"]) == ("Warning", "Broken", "it broke")
    assert (broken["action"], broken["reportingController"]) == ("Look", "example.com/test")
    assert broken["regarding"]["uid"] == about.uid
    assert broken["series"]["count"] == 3
    first, last = map(datetime.fromisoformat, (broken["eventTime"], broken["series"]["lastObservedTime"]))
    assert first < last <= datetime.now(UTC)
    assert mended["reason"] == "Mended"
    assert "series" not in mended, "what happened once is no series"


async def test_a_series_goes_on(client: Client) -> None:
    """The same Event is told again how often, and when last; no other one is made."""
    about = await client.apply(CONFIG_MAPS, config_map("again"), field_manager="t")
    recorder = EventRecorder(client, "example.com/test", "instance-1")
    seen: list[tuple[str, int, str]] = []
    for count in (1, 2, 4):
        running = asyncio.create_task(recorder.run())
        while sum(series.count for series in recorder._series.values()) < count:
            recorder.event(about, "Normal", "Seen", "it is there")
        await asyncio.sleep(0)  # it has begun
        await until(lambda: not recorder._waiting)
        running.cancel()  # what is not written yet is written at the end
        await asyncio.wait({running})
        (event,) = (
            await client.list(EVENTS, "default", field_selector="regarding.kind=ConfigMap,regarding.name=again")
        ).items
        series = event.to_dict().get("series", {"count": 1, "lastObservedTime": ""})
        seen.append((event.uid, series["count"], series["lastObservedTime"]))
    uids, counts, times = zip(*seen, strict=True)
    assert len(set(uids)) == 1
    assert counts == (1, 2, 4)
    assert sorted(times) == list(times)
    assert len(set(times)) == 3


async def test_what_is_served_is_found(client: Client) -> None:
    """Core kinds and others; not a kind, a version or a group that there is not."""
    leases = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
    assert await group_versions(client, "") == ("v1",)
    assert (await group_versions(client, leases.group))[0] == "v1"
    assert await group_versions(client, "nobody.example.com") == ()
    assert {CONFIG_MAPS, NODES} <= set(await resources(client, "", "v1"))
    assert [await is_served(client, each) for each in (NODES, leases)] == [True, True]
    for wrong in (
        replace(leases, plural="leashes"),
        replace(leases, version="v9"),
        replace(leases, group="nobody.example.com"),
    ):
        assert not await is_served(client, wrong)


async def test_a_table_is_what_people_see(client: Client) -> None:
    """Of one object, and of all that are chosen."""
    await client.create(CONFIG_MAPS, config_map("table", a="1", b="2"))
    one = await table(client, CONFIG_MAPS, "table", "default")
    assert one.columns == ("Name", "Data", "Age")
    assert (one.shown()[0]["Name"], one.shown()[0]["Data"]) == ("table", 2)
    chosen = await table(client, CONFIG_MAPS, namespace="default", label_selector="test=client")
    assert "table" in [row["Name"] for row in chosen.shown()]
    await client.delete(CONFIG_MAPS, "table", "default")
    with pytest.raises(NotFound):
        await table(client, CONFIG_MAPS, "table", "default")
