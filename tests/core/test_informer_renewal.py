"""An informer that is asked for the truth as it is now, and a leader that asks; on virtual time."""

import asyncio

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.transport import Request, Response
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import OPEN, ScriptedTransport, listing, thing

NODES = Resource("", "v1", "nodes", "Node")

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Slow(ScriptedTransport):
    """An answer is what was true when the request came, and comes a second later."""

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        answer = await super().send(request, timeout=timeout, new_connection=new_connection)
        await asyncio.sleep(1)
        return answer


def client_of(*versions: int) -> Client:
    """Lists of one node, in so many versions, one after the other; watches that say nothing."""
    lists = [listing([thing("a", version=each)], each) for each in versions]
    transport = Slow(lists, [[OPEN] for _ in versions])
    return Client(ClusterConfig("https://x"), clock=LoopClock(), transport=transport)


async def test_renewed_is_a_store_whose_list_began_after_the_question() -> None:
    """One that is under way already may be of an older moment."""
    informer = Informer(client_of(1, 2, 3), NODES)
    running = asyncio.create_task(informer.run())
    await asyncio.sleep(0.5)  # the first list is under way
    await informer.renew()
    assert informer.version == 2
    await informer.renew()
    assert informer.version == 3
    running.cancel()
    await asyncio.wait({running})


class Election:
    """Won after a while."""

    async def run(self, work: object) -> None:
        await asyncio.sleep(60)
        await work()  # type: ignore[operator]


async def test_who_comes_to_lead_lists_anew_before_it_does_anything() -> None:
    """Its watch may have been silent for a minute, and the leader before may have written meanwhile."""
    manager = Manager(client_of(1, 2), metrics=Metrics(), leader_election=Election())  # type: ignore[arg-type]
    informer = manager.informer(NODES)
    seen: list[int] = []

    class Work:
        async def run(self) -> None:
            seen.append(informer.version)

    manager.add(Work(), leader_only=True)
    running = asyncio.create_task(manager.run(signals=False))
    await until(lambda: informer.synced)
    assert informer.version == 1
    await until(lambda: seen, 120)
    assert seen == [2]
    running.cancel()
    await asyncio.wait({running})
