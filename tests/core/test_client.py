"""The client's verbs and its patience, against scripted servers, on virtual time."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import aclosing

import pytest
from structlog.testing import capture_logs

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    NeverSent,
    NotFound,
    Throttled,
    Unavailable,
)
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.transport import Response
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.transport import ScriptedTransport, answer, changed, failure, listing, thing

NODES = Resource("", "v1", "nodes", "Node")
PODS = Resource("", "v1", "pods", "Pod", namespaced=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def make(answers: Iterable[Response | ApiError] = (), **more: object) -> tuple[Client, ScriptedTransport]:
    """A client and the server's script."""
    transport = ScriptedTransport(answers, **more)  # type: ignore[arg-type]
    return Client(ClusterConfig("https://x"), clock=LoopClock(), transport=transport), transport


async def test_a_list_is_read_in_pages() -> None:
    """The version is that of the last page, the items are those of all."""
    client, transport = make(
        [listing([thing("a", version=1)], 9, continue_="more"), listing([thing("b", version=2)], 9)]
    )
    got = await client.list(NODES, label_selector="x=y")
    assert [obj.name for obj in got.items] == ["a", "b"]
    assert got.resource_version == "9"
    assert transport.requests[0].query == {"labelSelector": "x=y", "limit": "500"}
    assert transport.requests[1].query["continue"] == "more"


async def test_a_list_that_grows_old_between_pages_is_read_in_one() -> None:
    """A slow reader of many pages still gets one consistent list."""
    client, transport = make(
        [
            listing([thing("a", version=1)], 9, continue_="more"),
            failure(410, "Expired"),
            listing([thing("a", version=1), thing("b", version=2)], 12),
        ]
    )
    got = await client.list(NODES)
    assert (len(got.items), got.resource_version) == (2, "12")
    assert transport.requests[-1].query == {}


async def test_apply_says_who_and_how() -> None:
    """Server-side apply with manager and force; apiVersion and kind are filled in."""
    client, transport = make([answer(thing("a", version=1))])
    await client.apply(PODS, {"metadata": {"name": "a", "namespace": "n"}}, field_manager="me")
    request = transport.requests[0]
    assert (request.method, request.path) == ("PATCH", "/api/v1/namespaces/n/pods/a")
    assert request.content_type == "application/apply-patch+yaml"
    assert request.query == {"fieldManager": "me", "force": "true"}
    assert json.loads(request.body or b"")["kind"] == "Pod"


async def test_patches_go_to_subresources() -> None:
    """Each patch has its content type."""
    client, transport = make([answer(thing("a", version=1))] * 2)
    await client.merge_patch(NODES, "a", {"status": {}}, subresource="status", field_manager="me")
    await client.json_patch(NODES, "a", [{"op": "remove", "path": "/x"}], subresource="status")
    merge, operations = transport.requests
    assert merge.path == operations.path == "/api/v1/nodes/a/status"
    assert merge.content_type == "application/merge-patch+json"
    assert operations.content_type == "application/json-patch+json"


async def test_a_deletion_can_be_of_that_very_object() -> None:
    """With a uid, a namesake is safe."""
    client, transport = make([failure(409, "Conflict")])
    with pytest.raises(Conflict):
        await client.delete(NODES, "a", uid="u1")
    assert json.loads(transport.requests[0].body or b"")["preconditions"] == {"uid": "u1"}


async def test_what_may_be_repeated_is_repeated() -> None:
    """A read survives a broken connection, an overload and a server error."""
    client, transport = make(
        [Unavailable("broken"), failure(503, "ServiceUnavailable"), failure(429, "Busy"), answer({})]
    )
    await client.get(NODES, "a")
    assert len(transport.requests) == 4


async def test_retry_after_is_honoured() -> None:
    """The server knows best when to come again."""
    client, _ = make([failure(429, "TooManyRequests", **{"Retry-After": "7"}), answer({})])
    started = asyncio.get_running_loop().time()
    await client.get(NODES, "a")
    assert 7 <= asyncio.get_running_loop().time() - started <= 7.7


async def test_a_create_is_repeated_only_where_the_server_cannot_have_done_it() -> None:
    """Refused and throttled creates are repeated, those without an answer are not."""
    client, transport = make([NeverSent("refused"), failure(429, "Busy"), Unavailable("no answer")])
    with pytest.raises(Unavailable, match="no answer"):
        await client.create(NODES, {"metadata": {"name": "a"}})
    assert len(transport.requests) == 3


async def test_patience_ends() -> None:
    """A server that stays away is reported within seconds, with its last error."""
    client, transport = make([Unavailable(f"broken {n}") for n in range(9)])
    with pytest.raises(Unavailable, match="broken 4"):
        await client.get(NODES, "a")
    assert len(transport.requests) == 5
    assert asyncio.get_running_loop().time() < 5


async def test_a_refusal_is_not_repeated() -> None:
    """The server has said no."""
    client, transport = make([failure(409, "AlreadyExists")])
    with pytest.raises(AlreadyExists):
        await client.create(NODES, {"metadata": {"name": "a"}})
    assert len(transport.requests) == 1


@pytest.mark.parametrize("second", [failure(404, "NotFound"), failure(409, "Conflict")])
async def test_a_deletion_whose_answer_was_lost_has_succeeded(second: Response) -> None:
    """The second try finds nothing, or a namesake: that very object has gone by the first one."""
    client, transport = make([Unavailable("broken"), second])
    await client.delete(NODES, "a", uid="u1")
    assert len(transport.requests) == 2


async def test_a_deletion_that_comes_too_late_is_told() -> None:
    """Nobody's answer was lost: it was not there, or not as we saw it."""
    client, _ = make([failure(404, "NotFound")])
    with pytest.raises(NotFound):
        await client.delete(NODES, "a", uid="u1")
    client, _ = make([Unavailable("broken"), failure(409, "Conflict")])
    with pytest.raises(Conflict, match="may have been carried out"):
        await client.delete(NODES, "a", uid="u1", resource_version="7")


async def test_a_deletion_by_name_alone_is_not_repeated() -> None:
    """Meanwhile another object may have taken the name."""
    client, transport = make([Unavailable("broken"), answer({})])
    with pytest.raises(Unavailable):
        await client.delete(NODES, "a")
    assert len(transport.requests) == 1
    client, transport = make([Unavailable("broken"), answer({})])
    with pytest.raises(Unavailable):
        await client.delete_collection(PODS, "n")
    assert len(transport.requests) == 1


async def test_a_deletion_says_what_becomes_of_the_rest() -> None:
    """Preconditions, propagation, grace; a collection is chosen by selectors."""
    client, transport = make([answer({})] * 2)
    await client.delete(PODS, "a", "n", uid="u", resource_version="7", propagation="Orphan", grace_seconds=0)
    await client.delete_collection(PODS, "n", label_selector="x=y", propagation="Foreground", dry_run=True)
    one, many = (json.loads(request.body or b"") for request in transport.requests)
    assert one["preconditions"] == {"uid": "u", "resourceVersion": "7"}
    assert (one["propagationPolicy"], one["gracePeriodSeconds"]) == ("Orphan", 0)
    assert (many["propagationPolicy"], many["dryRun"]) == ("Foreground", ["All"])
    assert transport.requests[1].path == "/api/v1/namespaces/n/pods"
    assert transport.requests[1].query == {"labelSelector": "x=y"}


async def test_a_dry_run_is_asked_for_in_the_query() -> None:
    """Of every write."""
    client, transport = make([answer(thing("a", version=1))] * 5)
    body = {"metadata": {"name": "a"}}
    await client.create(NODES, body, dry_run=True)
    await client.replace(NODES, body, dry_run=True)
    await client.apply(NODES, body, field_manager="me", dry_run=True)
    await client.merge_patch(NODES, "a", {}, dry_run=True)
    await client.json_patch(NODES, "a", [], dry_run=True)
    assert [request.query["dryRun"] for request in transport.requests] == ["All"] * 5


async def test_a_json_patch_is_not_repeated() -> None:
    """An `add` to a list would be there twice."""
    client, transport = make([Unavailable("broken"), answer({})])
    with pytest.raises(Unavailable):
        await client.json_patch(NODES, "a", [{"op": "add", "path": "/x/-", "value": 1}])
    assert len(transport.requests) == 1


async def test_what_the_server_warns_of_is_logged_once() -> None:
    """Deprecations and admission webhooks speak so; a loop must not repeat it for ever."""
    warned = Response(200, {}, b"{}", warnings=("v1beta1 is deprecated",))
    client, _ = make([warned] * 3)
    with capture_logs() as logs:
        for _ in range(3):
            await client.get(NODES, "a")
    assert [entry["warning"] for entry in logs] == ["v1beta1 is deprecated"]


async def test_an_error_says_how_often_it_was_tried() -> None:
    """Who reads it at night knows whether waiting was tried."""
    client, _ = make([Unavailable("broken", request="PUT /x")] * 5)
    with pytest.raises(Unavailable) as unavailable:
        await client.replace(NODES, {"metadata": {"name": "a"}})
    assert str(unavailable.value) == (
        "PUT /x: broken (tried 5 times; an earlier try got no answer and may have been carried out)"
    )


async def test_a_new_connection_is_one_honest_try() -> None:
    """A probe wants to know about now."""
    client, transport = make([Unavailable("broken"), answer({})])
    with pytest.raises(Unavailable):
        await client.request("GET", "/readyz", new_connection=True)
    assert len(transport.requests) == 1


async def test_watches_are_counted_apart_from_other_reads() -> None:
    """By what the server said, or that it said nothing: whether an idle process asks for anything can then be seen."""
    counted = Metrics()
    transport = ScriptedTransport(
        [answer(thing("a", version=1))], [(), failure(410, "Expired"), Unavailable("the connection broke")]
    )
    client = Client(ClusterConfig("https://x"), clock=LoopClock(), transport=transport, metrics=counted)
    await client.get(NODES, "a")
    async with aclosing(client.watch(NODES, resource_version="2")) as events:
        assert [each async for each in events] == []
    for error in (Expired, Unavailable):
        with pytest.raises(error):
            await anext(client.watch(NODES, resource_version="2"))

    def value(code: str, method: str) -> float | None:
        labels = {"code": code, "method": method, "host": "x"}
        return counted.registry.get_sample_value("rest_client_requests_total", labels)

    assert value("200", "GET") == 1
    assert [value(code, "WATCH") for code in ("200", "410", "<error>")] == [1, 1, 1]


async def test_a_watch_gives_events_and_raises_the_servers_error() -> None:
    """410 inside the stream is the same as 410 at its start."""
    expired = json.dumps({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}).encode()
    client, transport = make(streams=[[changed("ADDED", thing("a", version=3)), expired], failure(410, "Gone")])
    events = client.watch(NODES, resource_version="2")
    async with aclosing(events):
        first = await anext(events)
        assert (first.type, first.object.name) == ("ADDED", "a")
        with pytest.raises(Expired):
            await anext(events)
    async with aclosing(client.watch(NODES, resource_version="2")) as events:
        with pytest.raises(Expired):
            await anext(events)
    assert transport.open_streams == 0
    assert transport.requests[0].query["allowWatchBookmarks"] == "true"


async def test_a_line_that_is_none_is_no_crash() -> None:
    """A torn or foreign line means that the connection is not to be trusted."""
    client, _ = make(streams=[[b'{"type": "ADD']])
    async with aclosing(client.watch(NODES, resource_version="2")) as events:
        with pytest.raises(Unavailable, match="cannot be read"):
            await anext(events)


async def test_a_reset_ends_pauses() -> None:
    """Whoever waits for the network to come back learns at once that it changed."""
    client, _ = make()
    pause = asyncio.create_task(client.pause(1000))
    await asyncio.sleep(3)
    client.reset_connections()
    await pause
    assert asyncio.get_running_loop().time() == 3


async def test_throttling_is_told_when_it_lasts() -> None:
    """The last error is the one that is raised."""
    client, _ = make([failure(429, "Busy")] * 5)
    with pytest.raises(Throttled):
        await client.get(NODES, "a")
