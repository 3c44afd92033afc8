"""List, watch, resume: an informer's view of a difficult server, on virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import Unavailable
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.transport import Request, Response
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import OPEN, ScriptedTransport, changed, failure, listing, thing

NODES = Resource("", "v1", "nodes", "Node")

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def told(event: Event) -> str:
    """An event in a word."""
    old = f"{event.old.name}{event.old.metadata.resource_version}" if event.old else ""
    new = f"{event.new.name}{event.new.metadata.resource_version}" if event.new else ""
    return f"{old}>{new}" + ("!" if event.initial else "")


class Seen:
    """An informer that runs, and everything that it told."""

    def __init__(self, transport: ScriptedTransport) -> None:
        self.transport = transport
        self.client = Client(
            ClusterConfig("https://x"), clock=LoopClock(), transport=self.transport, watch_idle_seconds=60
        )
        self.informer = Informer(self.client, NODES)
        self.events: list[str] = []
        self.informer.add_handler(lambda event: self.events.append(told(event)))

    @property
    def names(self) -> list[str]:
        """What the store has."""
        return sorted(key.name for key in self.informer.store)


def informer(answers: Sequence[Any], streams: Sequence[Any]) -> AbstractAsyncContextManager[Seen]:
    """An informer of a server that plays a script."""
    return running(Seen(ScriptedTransport(answers, streams)))


@asynccontextmanager
async def running(seen: Seen) -> AsyncIterator[Seen]:
    """In the background."""
    task = asyncio.create_task(seen.informer.run())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def error(code: int, reason: str) -> bytes:
    """An error inside a stream."""
    return json.dumps({"type": "ERROR", "object": {"code": code, "reason": reason, "message": "x"}}).encode()


A1, B2, A3 = thing("a", version=1), thing("b", version=2), thing("a", version=3)


async def test_what_is_there_and_what_happens_is_told_in_order() -> None:
    """First the list, as initial, then the changes with what was before."""
    lines = [changed("ADDED", B2), changed("MODIFIED", A3), changed("DELETED", thing("b", version=4)), OPEN]
    async with informer([listing([A1], 1)], [lines]) as seen:
        await seen.informer.wait_for_sync()
        await until(lambda: len(seen.events) == 4, 300)
        assert seen.events == [">a1!", ">b2", "a1>a3", "b4>"]
        assert seen.names == ["a"]


async def test_a_watch_that_ends_resumes_where_it_was() -> None:
    """The server ends watches every few minutes: no list, no event twice."""
    streams = [[changed("ADDED", B2), 50.0], [50.0, changed("MODIFIED", A3)]]
    async with informer([listing([A1], 1)], streams) as seen:
        await until(lambda: len(seen.events) == 3, 900)
        assert seen.transport.watches[:2] == ["1", "2"]
        assert seen.transport.lists == 1


async def test_bookmarks_move_the_version_on_and_are_not_told() -> None:
    """A quiet watch resumes from the present."""
    bookmark = changed("BOOKMARK", {"metadata": {"resourceVersion": "77"}})
    async with informer([listing([A1], 1)], [[bookmark, 20.0]]) as seen:
        await until(lambda: len(seen.transport.watches) == 2, 300)
        assert seen.transport.watches == ["1", "77"]
        assert seen.events == [">a1!"]


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(failure(410, "Expired"), id="at the start"),
        pytest.param([error(410, "Expired")], id="in the stream"),
        pytest.param([error(410, "Gone")], id="by its old name"),
        pytest.param(failure(504, "Timeout", "Too large resource version: 9, current: 3"), id="restored"),
    ],
)
async def test_an_expired_version_is_listed_anew_at_once(stream: Any) -> None:
    """What was deleted, added and changed in the gap is told; nothing else is."""
    gone, same = thing("gone", version=1), thing("same", version=2)
    fresh = listing([same, A3, thing("new", version=4)], 9)
    async with informer([listing([A1, gone, same], 2), fresh], [stream]) as seen:
        await until(lambda: len(seen.transport.watches) == 2, 300)
        assert asyncio.get_running_loop().time() < 1
        assert seen.events[3:] == ["gone1>", "a1>a3", ">new4"]
        assert seen.transport.watches[1] == "9"


async def test_a_version_that_a_server_gave_out_twice_does_not_hide_a_change() -> None:
    """It was set back, and has come to the same version of the object again, with something else in it."""
    lost, now = thing("a", version=5, data="lost"), thing("a", version=5, data="now")
    stream = failure(504, "Timeout", "Too large resource version: 9, current: 6")
    async with informer([listing([lost], 9), listing([now], 6)], [stream]) as seen:
        await until(lambda: len(seen.events) == 2, 300)
        assert b"now" in seen.informer.store.list()[0].raw


class Questioned(ScriptedTransport):
    """Its server answers as it likes, whether it has come to a version."""

    def __init__(self, answers: Sequence[Any], streams: Sequence[Any], said: "asyncio.Future[Response]") -> None:
        super().__init__(answers, streams)
        self.said = said

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        if "resourceVersionMatch" in request.query:
            self.requests.append(request)
            return await self.said
        return await super().send(request, timeout=timeout, new_connection=new_connection)


def questioned(said: "asyncio.Future[Response]") -> Seen:
    """An informer whose first watch broke."""
    return Seen(Questioned([listing([A1], 1), listing([B2], 5)], [Unavailable("broken")], said))


async def test_a_list_that_is_asked_for_while_the_server_is_questioned_is_made() -> None:
    """A watch from no version at all would tell of no deletion."""
    said: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    async with running(questioned(said)) as seen:
        await until(lambda: len(seen.transport.requests) == 3, 300)
        seen.informer.relist()
        said.set_result(listing([], 1))
        await until(lambda: len(seen.transport.watches) == 2, 300)
        assert seen.transport.watches == ["1", "5"]
        assert seen.events[1:] == ["a1>", ">b2"]


async def test_a_server_that_does_not_understand_the_question_is_listed() -> None:
    """Whether it was set back cannot be known."""
    said: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    said.set_result(failure(400, "BadRequest"))
    async with running(questioned(said)) as seen:
        await until(lambda: len(seen.transport.watches) == 2, 300)
        assert seen.transport.watches == ["1", "5"]


async def test_an_object_made_anew_in_the_gap_is_a_deletion_and_a_creation() -> None:
    """The same name with another uid is another object."""
    again = thing("a", version=8, uid="other")
    async with informer([listing([A1], 1), listing([again], 9)], [failure(410, "Expired")]) as seen:
        await until(lambda: len(seen.events) == 3, 300)
        assert seen.events[1:] == ["a1>", ">a8"]


async def test_a_server_that_always_says_expired_is_not_hammered() -> None:
    """Listing does not help, so the waits grow."""
    answers = [listing([A1], 1)] * 99
    async with informer(answers, [failure(410, "Expired")] * 99) as seen:
        await asyncio.sleep(600)
        assert seen.transport.lists < 40


async def test_a_list_that_always_says_expired_is_not_hammered() -> None:
    """There was no version yet that could have grown old: the server is ill, and the waits grow."""
    async with informer([failure(410, "Expired")] * 999, []) as seen:
        await asyncio.sleep(600)
        assert seen.transport.lists < 80


async def test_an_object_that_did_not_change_stays_the_one_that_was_told() -> None:
    """What was decoded of it is not thrown away by a further list, nor by an event that comes twice."""
    answers = [listing([A1], 1), listing([thing("a", version=1), B2], 9)]
    async with informer(answers, [[changed("ADDED", thing("a", version=1)), error(410, "Expired")]]) as seen:
        told_of: list[Event] = []
        seen.informer.add_handler(told_of.append)
        await until(lambda: len(seen.events) == 2, 300)
        assert seen.events == [">a1!", ">b2"]
        assert seen.informer.store.get(told_of[0].key) is told_of[0].new


async def test_throttling_means_wait_not_list() -> None:
    """429 says when to come again, with the version that we have."""
    slow = failure(429, "TooManyRequests", **{"Retry-After": "30"})
    async with informer([listing([A1], 1)], [slow, [changed("ADDED", B2), OPEN]]) as seen:
        await until(lambda: len(seen.events) == 2, 300)
        assert asyncio.get_running_loop().time() >= 30
        assert seen.transport.lists == 1
        assert seen.transport.watches == ["1", "1"]


async def test_a_server_that_is_away_for_ten_minutes_is_asked_rarely_and_not_listed() -> None:
    """At most one request in two seconds, and the watch goes on where it was."""
    away = [Unavailable("refused")] * 30
    async with informer([listing([A1], 1)], [*away, [changed("ADDED", B2), OPEN]]) as seen:
        await until(lambda: len(seen.events) == 2, 3600)
        elapsed = asyncio.get_running_loop().time()
        assert len(seen.transport.requests) / elapsed < 0.5
        assert seen.transport.lists == 1


async def test_a_server_that_ends_watches_at_once_is_not_hammered() -> None:
    """An accepted watch alone is no health."""
    async with informer([listing([A1], 1)], [[changed("MODIFIED", A1)]] * 999) as seen:
        await asyncio.sleep(600)
        assert len(seen.transport.watches) < 40


async def test_health_resets_the_waits() -> None:
    """After a long trouble and some healthy seconds, the next interruption is answered quickly."""
    streams = [*[Unavailable("refused")] * 8, [15.0, Unavailable("broken")], [changed("ADDED", B2), OPEN]]
    async with informer([listing([A1], 1)], streams) as seen:
        await until(lambda: len(seen.transport.watches) == 9, 300)
        before = asyncio.get_running_loop().time()
        await until(lambda: len(seen.events) == 2, 300)
        assert asyncio.get_running_loop().time() - before < 17


async def test_a_half_open_connection_is_noticed() -> None:
    """Silence beyond the idle limit is no connection: resume, do not list."""
    async with informer([listing([A1], 1)], [[3600.0], [changed("ADDED", B2), OPEN]]) as seen:
        await until(lambda: len(seen.events) == 2, 300)
        assert asyncio.get_running_loop().time() < 63
        assert seen.transport.lists == 1


async def test_a_reset_resumes_the_watch_at_once() -> None:
    """The node's address has moved: nobody waits for timeouts."""
    async with informer([listing([A1], 1)], [[OPEN], [changed("ADDED", B2), OPEN]]) as seen:
        await seen.informer.wait_for_sync()
        await asyncio.sleep(5)
        seen.client.reset_connections()
        await until(lambda: len(seen.events) == 2, 300)
        assert asyncio.get_running_loop().time() < 5.2
        assert seen.transport.lists == 1


async def test_a_reset_ends_a_long_wait() -> None:
    """The network is back: the backoff of minutes ago is void."""
    away = [Unavailable("refused")] * 12
    async with informer([listing([A1], 1)], [*away, [changed("ADDED", B2), OPEN]]) as seen:
        await until(lambda: len(seen.transport.watches) == 12, 300)
        before = asyncio.get_running_loop().time()
        seen.client.reset_connections()
        await until(lambda: len(seen.events) == 2, 300)
        assert asyncio.get_running_loop().time() - before < 0.2


async def test_a_kind_that_is_not_there_yet_is_waited_for() -> None:
    """A CRD may come later; nobody has to restart."""
    answers = [failure(404, "NotFound"), failure(404, "NotFound"), listing([A1], 1)]
    async with informer(answers, []) as seen:
        await seen.informer.wait_for_sync()
        assert seen.names == ["a"]


async def test_a_late_handler_learns_of_everything() -> None:
    """As initial: it is no news."""
    async with informer([listing([A1, B2], 2)], []) as seen:
        await seen.informer.wait_for_sync()
        late: list[str] = []
        seen.informer.add_handler(lambda event: late.append(told(event)))
        assert late == [">a1!", ">b2!"]


async def test_a_broken_handler_does_not_hurt_the_others() -> None:
    """Its bug is its own."""
    async with informer([listing([A1], 1)], [[changed("ADDED", B2), OPEN]]) as seen:

        def broken(event: Event) -> None:
            raise RuntimeError("bug")

        seen.informer.add_handler(broken)
        late: list[str] = []
        seen.informer.add_handler(lambda event: late.append(told(event)))
        await until(lambda: len(late) == 2, 300)
        assert seen.names == ["a", "b"]


async def test_objects_are_trimmed_before_they_are_stored() -> None:
    """Nobody reads managedFields, and they are most of a small object."""
    fat = thing("a", version=1, metadata={"managedFields": [{"manager": "x" * 1000}]})
    async with informer([listing([fat], 1)], []) as seen:
        await seen.informer.wait_for_sync()
        assert len(seen.informer.store.list()[0].raw) < 200
