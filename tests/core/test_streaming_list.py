"""A list that comes with the watch: what is gathered, when it is told, and what is done where there is none."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ConnectionsReset, NeverSent, Unavailable
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.transport import Response
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import OPEN, ScriptedTransport, changed, failure, listed, listing, thing

NODES = Resource("", "v1", "nodes", "Node")
A1, B2, A3 = thing("a", version=1), thing("b", version=2), thing("a", version=3)

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Mirror:
    """An informer for a while."""

    def __init__(self, answers: Sequence[Any], streams: Sequence[Any]) -> None:
        self.transport = ScriptedTransport(answers, streams)
        client = Client(ClusterConfig("https://x"), clock=LoopClock(), transport=self.transport, watch_idle_seconds=60)
        self.informer = Informer(client, NODES, streaming_list=True)
        self.events: list[str] = []
        self.informer.add_handler(self._hear)

    def _hear(self, event: Event) -> None:
        sign = "-" if event.new is None else "+" if event.old is None else "~"
        self.events.append(f"{sign}{event.object.name}{event.object.metadata.resource_version}")

    async def __aenter__(self) -> "Mirror":
        self._task = asyncio.create_task(self.informer.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def test_the_watch_that_brought_the_list_goes_on() -> None:
    """One request for both, and no list beside it."""
    stream = [changed("ADDED", A1), changed("ADDED", B2), listed(2), changed("MODIFIED", A3), OPEN]
    async with Mirror([], [stream]) as mirror:
        await until(lambda: len(mirror.events) == 3, 60)
        assert mirror.events == ["+a1", "+b2", "~a3"]
        assert (mirror.transport.watches, mirror.transport.lists) == ([""], 0)


async def test_nothing_is_told_before_the_list_is_whole() -> None:
    """Who waits for the first list must not take a part for all."""
    async with Mirror([], [[changed("ADDED", A1), 5.0, listed(1), OPEN]]) as mirror:
        await asyncio.sleep(4)
        assert (mirror.events, mirror.informer.synced) == ([], False)
        await until(lambda: mirror.informer.synced, 60)
        assert asyncio.get_running_loop().time() >= 5
        assert (mirror.events, mirror.informer.version) == (["+a1"], 1)


async def test_what_changes_while_the_list_comes_is_in_it() -> None:
    """Also what goes: it is not told at all, nobody knew of it."""
    bookmark = changed("BOOKMARK", {"metadata": {"resourceVersion": "2"}})
    gone = changed("DELETED", thing("b", version=4))
    stream = [changed("ADDED", A1), changed("ADDED", B2), bookmark, changed("MODIFIED", A3), gone, listed(4), OPEN]
    async with Mirror([], [stream]) as mirror:
        await until(lambda: mirror.informer.synced, 60)
        assert mirror.events == ["+a3"]


EXPIRED = json.dumps({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "x"}}).encode()


@pytest.mark.parametrize(
    "end",
    [
        pytest.param([], id="ended"),
        pytest.param([Unavailable("broken")], id="broken"),
        pytest.param([EXPIRED], id="expired"),
        pytest.param([OPEN], id="silent"),
        pytest.param([5.0, changed("MODIFIED", A3)] * 9, id="goes-on-for-ever"),
    ],
)
async def test_a_list_that_does_not_end_is_read_in_pages(end: list[Any]) -> None:
    """Within half a minute and without a loop. Nothing of the part that came is kept: it may have changed meanwhile."""
    async with Mirror([listing([B2], 9)], [[changed("ADDED", A1), *end]]) as mirror:
        await until(lambda: mirror.informer.synced, 31)
        assert (mirror.events, mirror.transport.lists) == (["+b2"], 1)
        await asyncio.sleep(30)
        assert mirror.transport.watches == ["", "9"]


@pytest.mark.parametrize(
    "refusal", [failure(429, "TooManyRequests"), failure(404, "NotFound"), NeverSent("refused"), ConnectionsReset("so")]
)
async def test_what_says_nothing_about_streaming_does_not_end_it(refusal: Any) -> None:
    """The same would have happened to a page."""
    async with Mirror([], [refusal, [changed("ADDED", A1), listed(1), OPEN]]) as mirror:
        await until(lambda: mirror.informer.synced, 60)
        assert (mirror.transport.watches, mirror.transport.lists) == (["", ""], 0)


async def test_an_expired_version_is_streamed_anew_and_compared() -> None:
    """What went in the gap is told."""
    first, again = [changed("ADDED", A1), listed(1), 1.0], [changed("ADDED", B2), listed(9), OPEN]
    async with Mirror([], [first, failure(410, "Expired"), again]) as mirror:
        await until(lambda: len(mirror.events) == 3, 60)
        assert (mirror.events, mirror.transport.watches) == (["+a1", "-a1", "+b2"], ["", "1", ""])


@pytest.mark.parametrize("refusal", [failure(422, "Invalid"), failure(400, "BadRequest")])
async def test_a_server_without_streaming_lists_is_asked_for_one_once(refusal: Response) -> None:
    """Pages from then on, without a wait."""
    streams = [refusal, [changed("MODIFIED", A3), 1.0], failure(410, "Expired")]
    async with Mirror([listing([A1], 1), listing([B2], 9)], streams) as mirror:
        await mirror.informer.wait_for_sync()
        assert asyncio.get_running_loop().time() < 0.1
        await until(lambda: len(mirror.transport.watches) == 4, 60)
        assert (mirror.transport.watches, mirror.transport.lists) == (["", "1", "3", "9"], 2)


async def test_objects_are_trimmed_as_they_come() -> None:
    """What is not kept is never held for all."""
    fat = thing("a", version=1, metadata={"managedFields": [{"manager": "x" * 1000}]})
    async with Mirror([], [[changed("ADDED", fat), listed(1), OPEN]]) as mirror:
        await until(lambda: mirror.informer.synced, 60)
        assert b"managedFields" not in mirror.informer.store.list()[0].raw
