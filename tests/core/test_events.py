"""Events: told once, counted when they repeat; on virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ConfigError, CoreError, Unavailable
from nmstate_k8s.core.events import BURST, MAX_SERIES, EventRecorder
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.core.transport import Response
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import ScriptedTransport, answer, failure, thing

NODES = Resource("", "v1", "nodes", "Node")
NODE = Object.from_dict(thing("node-1", version=7), NODES)

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Bench:
    """A recorder that runs, and what it wrote."""

    def __init__(self, answers: list[Response | CoreError]) -> None:
        self.transport = ScriptedTransport(answers)
        client = Client(ClusterConfig("https://x"), clock=LoopClock(), transport=self.transport)
        self.recorder = EventRecorder(client, "example.com/test", "pod-1")

    @property
    def written(self) -> list[tuple[str, dict[str, Any]]]:
        """Method and body of each request."""
        return [(each.method, json.loads(each.body or b"")) for each in self.transport.requests]

    def tell(self, note: str = "it broke", about: Object = NODE) -> None:
        """One event."""
        self.recorder.event(about, "Warning", "Broken", note, "Look")


@asynccontextmanager
async def bench(*answers: Response | CoreError, more: int = 1000) -> AsyncIterator[Bench]:
    """A recorder that runs until the end."""
    made = Bench([*answers, *[answer({})] * more])
    task = asyncio.create_task(made.recorder.run())
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_event_says_who_what_and_about_whom() -> None:
    """In the shape of events.k8s.io/v1; about a cluster-scoped object it lives in `default`."""
    async with bench() as b:
        b.tell()
        await until(lambda: b.written)
        method, body = b.written[0]
        assert method == "POST"
        assert b.transport.requests[0].path == "/apis/events.k8s.io/v1/namespaces/default/events"
        assert body["regarding"] == {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "uid-node-1"}
        assert body["reportingController"] == "example.com/test"
        assert (body["type"], body["reason"], body["action"], body["note"]) == (
            "Warning",
            "Broken",
            "Look",
            "it broke",
        )
        assert body["eventTime"].endswith("Z")


async def test_the_same_again_is_counted_and_written_rarely() -> None:
    """A hundred repetitions in a hundred seconds are a dozen writes of one series."""
    async with bench() as b:
        for _ in range(100):
            b.tell()
            await asyncio.sleep(1)
        await asyncio.sleep(20)
        methods = [method for method, _ in b.written]
        assert methods.count("POST") == 1
        assert 2 <= methods.count("PATCH") <= 12
        assert b.written[-1][1]["series"]["count"] == 100


async def test_another_note_is_another_event() -> None:
    """The server does not let a note be changed, and people want to read both."""
    async with bench() as b:
        b.tell("one")
        b.tell("two")
        await until(lambda: len(b.written) == 2)
        assert [body["note"] for _, body in b.written] == ["one", "two"]


async def test_long_after_it_is_news_again() -> None:
    """A series ends after some minutes of peace."""
    async with bench() as b:
        b.tell()
        await asyncio.sleep(1000)
        b.tell()
        await asyncio.sleep(1)
        assert [method for method, _ in b.written] == ["POST", "POST"]


async def test_a_flood_about_one_object_is_dammed() -> None:
    """And counted, while other objects are still heard."""
    async with bench() as b:
        for number in range(BURST + 10):
            b.tell(f"note {number}")
        b.recorder.event(Object.from_dict(thing("other", version=1), NODES), "Normal", "Fine", "fine")
        await asyncio.sleep(10)
        assert len(b.written) == BURST + 1
        assert b.recorder.dropped == 10


async def test_events_wait_for_the_server() -> None:
    """In their order, none twice: a write whose answer was lost is recognised by its name."""
    away = Unavailable("no answer")
    async with bench(away, away, failure(409, "AlreadyExists")) as b:
        b.tell("one")
        b.tell("two")
        await until(lambda: len(b.written) == 4)
        notes = [body["note"] for _, body in b.written]
        assert notes == ["one", "one", "one", "two"]
        assert len({body["metadata"]["name"] for _, body in b.written}) == 2


async def test_a_refused_event_does_not_block_the_others() -> None:
    """It is logged and forgotten."""
    async with bench(failure(403, "Forbidden")) as b:
        b.tell("one")
        b.tell("two")
        await until(lambda: len(b.written) == 2)


async def test_what_is_not_written_yet_is_written_at_the_end() -> None:
    """The last words of a process are often the ones that matter."""
    async with bench() as b:
        b.tell()
        await until(lambda: b.written)
        b.tell()
        b.tell()
    assert b.written[-1][1]["series"]["count"] == 3


async def test_a_long_note_is_cut_to_what_the_server_takes() -> None:
    """1024 bytes, not in the middle of a character."""
    async with bench() as b:
        b.tell("ü" * 2000)
        await until(lambda: b.written)
        note = b.written[0][1]["note"]
        assert len(note.encode()) <= 1024
        assert note.endswith("ü…")


async def test_a_note_commands_no_terminal() -> None:
    """It may quote what a node or a user wrote, and is read in a shell."""
    async with bench() as b:
        b.tell("node a says \x1b[2Jall is well\u202e")
        await until(lambda: b.written)
        assert b.written[0][1]["note"] == r"node a says \x1b[2Jall is well\u202e"


async def test_what_happens_again_after_long_while_the_server_is_away_is_told_twice() -> None:
    """An event that waits is not given up for a later one that is the same."""
    away = [Unavailable("no answer")] * 30
    async with bench(*away) as b:
        b.tell()
        await asyncio.sleep(400)
        b.tell()
        await until(lambda: len({body["metadata"]["name"] for _, body in b.written[len(away) :]}) == 2, 2000)


async def test_a_missing_way_to_the_server_is_no_end() -> None:
    """A CA's file that cannot be read just now must not take the process down for an event's sake."""
    async with bench(ConfigError("no such file")) as b:
        b.tell()
        await until(lambda: len(b.written) == 2)


async def test_what_is_remembered_is_bounded() -> None:
    """With ever new events; one that goes on all the time is counted all the same."""
    async with bench(more=30_000) as b:
        for number in range(2 * MAX_SERIES):
            b.tell("news", _node(number))
            if number % 500 == 0:
                b.tell()
                await until(lambda: not b.recorder._waiting)
        assert len(b.recorder._series) <= MAX_SERIES
        assert len(b.recorder._buckets) <= MAX_SERIES
        assert b.recorder.dropped == 0
        await asyncio.sleep(30)
        assert sum(body.get("regarding", {}).get("name") == NODE.name for _, body in b.written) == 1
        assert b.written[-1][1]["series"]["count"] == 17


async def test_a_flood_stays_dammed_while_many_others_are_heard() -> None:
    """Who has used up what he may tell is not forgotten for others' sake."""
    async with bench(more=10_000) as b:
        for number in range(3000):
            b.tell(f"note {number}")
            b.tell("fine", _node(number))
            if number % 100 == 0:
                await until(lambda: not b.recorder._waiting)
        assert b.recorder.dropped >= 3000 - 2 * BURST


def _node(number: int) -> Object:
    return Object.from_dict(thing(f"other-{number}", version=1), NODES)
