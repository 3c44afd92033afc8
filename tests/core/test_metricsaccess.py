"""Who may read metrics: the API server says, every failure closes, and strangers cost little."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.metricsaccess import MAX_TOKEN, AccessReviewer
from nmstate_k8s.core.transport import Request, Response
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.transport import ScriptedTransport, answer, failure

pytestmark = pytest.mark.asyncio

USERS = {"good": "system:serviceaccount:monitoring:prometheus", "other": "system:serviceaccount:default:nobody"}


class Hand(LoopClock):
    """A clock that is moved by hand."""

    time = 1000.0

    def monotonic(self) -> float:
        return self.time


class Judges(ScriptedTransport):
    """An API server that knows two users, of whom one may read metrics."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0
        self.arrived = asyncio.Semaphore(0)

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        body = msgspec.json.decode(request.body or b"{}")
        self.asked.append((body["kind"], body["spec"]))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.arrived.release()
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if self.fails:
            return failure(503, "ServiceUnavailable", "away")
        if body["kind"] == "TokenReview":
            user = USERS.get(body["spec"]["token"])
            if user is None:
                return answer({"status": {"error": "no such token"}}, 201)
            known = {"username": user, "uid": "1", "groups": ["system:authenticated"], "extra": {"a": ["b"]}}
            return answer({"status": {"authenticated": True, "user": known}}, 201)
        return answer({"status": {"allowed": body["spec"]["user"] == USERS["good"]}}, 201)


@pytest.fixture
def hand() -> Hand:
    """The time."""
    return Hand()


@pytest.fixture
def judges() -> Judges:
    """The API server."""
    return Judges()


@pytest_asyncio.fixture
async def client(judges: Judges, hand: Hand) -> AsyncIterator[Client]:
    """A client of it."""
    async with Client(ClusterConfig("https://x"), transport=judges, clock=hand) as client:
        yield client


@pytest.mark.parametrize(
    ("header", "status", "asked"),
    [
        pytest.param("", 401, 0, id="nothing"),
        pytest.param("Basic Z29vZDo=", 401, 0, id="another scheme"),
        pytest.param("Bearer ", 401, 0, id="no token"),
        pytest.param("Bearer " + "x" * (MAX_TOKEN + 1), 401, 0, id="endless"),
        pytest.param("Bearer made-up", 401, 1, id="unknown"),
        pytest.param("Bearer other", 403, 2, id="without the right"),
        pytest.param("Bearer good", 200, 2, id="with the right"),
        pytest.param("bearer good", 200, 2, id="schemes have no case"),
    ],
)
async def test_only_who_may_goes_on(client: Client, judges: Judges, header: str, status: int, asked: int) -> None:
    """And what cannot be a token costs the API server nothing."""
    verdict = await AccessReviewer(client).judge(header, "get", "/metrics")
    assert verdict.status == status
    assert verdict.allowed is (status == 200)
    assert bool(verdict.reason) is (status != 200)
    assert len(judges.asked) == asked


async def test_the_question_is_about_all_that_the_token_says(client: Client, judges: Judges) -> None:
    """Groups and extras decide in some authorizers."""
    await AccessReviewer(client).judge("Bearer good", "get", "/metrics")
    assert judges.asked[1] == (
        "SubjectAccessReview",
        {
            "user": USERS["good"],
            "uid": "1",
            "groups": ["system:authenticated"],
            "extra": {"a": ["b"]},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    )


async def test_an_answer_counts_for_some_seconds(client: Client, judges: Judges, hand: Hand) -> None:
    """Of that token, that verb and that path."""
    reviewer = AccessReviewer(client, seconds=10.0)
    for _ in range(5):
        assert (await reviewer.judge("Bearer good", "get", "/metrics")).allowed
    assert len(judges.asked) == 2
    await reviewer.judge("Bearer good", "get", "/other")
    assert len(judges.asked) == 4
    hand.time += 10.0
    await reviewer.judge("Bearer good", "get", "/metrics")
    assert len(judges.asked) == 6


async def test_an_api_server_that_fails_closes_and_is_asked_again(client: Client, judges: Judges) -> None:
    """That nobody could say who it is, is not remembered."""
    reviewer = AccessReviewer(client, ask_seconds=0.2)
    judges.fails = True
    assert (await reviewer.judge("Bearer good", "get", "/metrics")).status == 503
    judges.fails = False
    assert (await reviewer.judge("Bearer good", "get", "/metrics")).status == 200
    judges.gate.clear()
    slow = await reviewer.judge("Bearer other", "get", "/metrics")
    assert slow.status == 503


async def test_who_may_not_ask_says_so_by_refusing(hand: Hand) -> None:
    """An account without the rights of an authenticator."""
    transport = ScriptedTransport([failure(403, "Forbidden", "cannot create tokenreviews")])
    async with Client(ClusterConfig("https://x"), transport=transport, clock=hand) as client:
        assert (await AccessReviewer(client).judge("Bearer good", "get", "/metrics")).status == 503


async def test_strangers_cost_little(client: Client, judges: Judges) -> None:
    """One question for the same token, few at once for different ones, and no more than may wait."""
    reviewer = AccessReviewer(client, max_asking=2, max_waiting=3, ask_seconds=60.0)
    judges.gate.clear()
    same = [asyncio.create_task(reviewer.judge("Bearer good", "get", "/metrics")) for _ in range(10)]
    await asyncio.sleep(0)
    others = [asyncio.create_task(reviewer.judge(f"Bearer {number}", "get", "/metrics")) for number in range(10)]
    for _ in range(2):
        await judges.arrived.acquire()
    judges.gate.set()
    assert {verdict.status for verdict in await asyncio.gather(*same)} == {200}
    assert sorted(verdict.status for verdict in await asyncio.gather(*others)) == [401] * 4 + [503] * 6
    assert judges.most_at_once == 2


async def test_what_is_remembered_is_bounded(client: Client, judges: Judges) -> None:
    """The oldest answer goes first."""
    reviewer = AccessReviewer(client, most=2)
    for token in ("good", "a", "b"):
        await reviewer.judge(f"Bearer {token}", "get", "/metrics")
    before = len(judges.asked)
    await reviewer.judge("Bearer b", "get", "/metrics")
    assert len(judges.asked) == before
    await reviewer.judge("Bearer good", "get", "/metrics")
    assert len(judges.asked) == before + 2


async def test_one_who_leaves_does_not_take_the_answer_along(client: Client, judges: Judges) -> None:
    """Others wait for the same one."""
    reviewer = AccessReviewer(client)
    judges.gate.clear()
    leaving, staying = (asyncio.create_task(reviewer.judge("Bearer good", "get", "/metrics")) for _ in range(2))
    await judges.arrived.acquire()
    leaving.cancel()
    judges.gate.set()
    assert (await staying).allowed
