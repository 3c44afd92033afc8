"""A process dies at its point, and nothing of it gets out afterwards."""

import asyncio

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.testing.crashpoints import CrashTransport, Killed, Moment, Point, Write
from nmstate_k8s.testing.transport import ScriptedTransport, answer, thing

pytestmark = pytest.mark.asyncio

THINGS = Resource("example.com", "v1", "things", "Thing")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
CONFIG = ClusterConfig(server="http://test")
PATCH_A = "PATCH /apis/example.com/v1/things/a"


def scripted(answers: int) -> ScriptedTransport:
    return ScriptedTransport([answer(thing("a", version=number)) for number in range(1, answers + 1)])


def client(server: ScriptedTransport, point: Point | None = None) -> tuple[Client, CrashTransport]:
    transport = CrashTransport(server, point)
    return Client(CONFIG, transport=transport), transport


async def patch(client: Client, name: str) -> None:
    await client.merge_patch(THINGS, name, {"spec": {}})


async def test_writes_are_numbered_among_their_likes_and_reads_are_none() -> None:
    """Whichever came first among different ones, a write has the same name."""
    tried, transport = client(scripted(5))
    await patch(tried, "a")
    await tried.get(THINGS, "a")
    await tried.create(THINGS, {"metadata": {"name": "b"}})
    await patch(tried, "c")
    await patch(tried, "a")
    assert [str(each) for each in transport.writes] == [
        f"{PATCH_A} #1",
        "POST /apis/example.com/v1/things b #1",
        "PATCH /apis/example.com/v1/things/c #1",
        f"{PATCH_A} #2",
    ]


async def test_only_the_first_write_of_a_lease_is_a_point() -> None:
    """How often it is renewed is chance."""
    tried, transport = client(scripted(3))
    for _ in range(3):
        await tried.merge_patch(LEASES, "leader", {}, namespace="default")
    assert [each.number for each in transport.writes] == [1]


@pytest.mark.parametrize(("moment", "sent"), [(Moment.BEFORE, 1), (Moment.AFTER, 2)])
async def test_before_it_is_not_sent_and_after_it_its_answer_is_not_seen(moment: Moment, sent: int) -> None:
    """In both cases the process ends there."""
    server = scripted(5)
    tried, transport = client(server, Point(moment, Write(PATCH_A, 2)))
    await patch(tried, "a")
    with pytest.raises(Killed):
        await patch(tried, "a")
    assert transport.died.is_set()
    assert len(server.requests) == sent


async def test_the_dead_neither_write_nor_read() -> None:
    """Not even what clears up: it would be somebody's action who is no more."""
    server = scripted(5)
    tried, _ = client(server, Point(Moment.BEFORE, Write(PATCH_A, 1)))
    with pytest.raises(Killed):
        await patch(tried, "a")
    with pytest.raises(Killed):
        await tried.get(THINGS, "a")
    with pytest.raises(Killed):
        await tried.delete(THINGS, "a")
    with pytest.raises(Killed):
        await anext(tried.watch(THINGS, resource_version="1"))
    assert server.requests == []


async def test_an_answer_that_comes_to_the_dead_is_not_seen() -> None:
    """A second write was under way when the process died."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedTransport):
        async def send(self, request, **options):  # type: ignore[no-untyped-def]
            if request.path.endswith("/slow"):
                arrived.set()
                await go_on.wait()
            return await super().send(request, **options)

    tried, _ = client(Slow([answer(thing("slow", version=1))]), Point(Moment.BEFORE, Write(PATCH_A, 1)))
    slow = asyncio.create_task(patch(tried, "slow"))
    await arrived.wait()
    with pytest.raises(Killed):
        await patch(tried, "a")
    go_on.set()
    with pytest.raises(Killed):
        await slow
