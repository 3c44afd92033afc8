"""No key goes on before the cache has what the key itself wrote; on virtual time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import NeverSent, Unavailable
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.objects import Key, Object, ObjectList, Resource
from nmstate_k8s.core.ownwrites import PATIENCE, OwnWrites
from nmstate_k8s.core.transport import Response
from nmstate_k8s.core.watching import EventType, WatchEvent
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.transport import ScriptedTransport, answer, listing, thing

NODES = Resource("", "v1", "nodes", "Node")
PODS = Resource("", "v1", "pods", "Pod", namespaced=True)
A, B = Key("", "a"), Key("", "b")

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class World:
    """Own writes over an informer that is told by hand what the server did, and what was released."""

    def __init__(self, answers: Sequence[Response | Unavailable] = (), **selection: str) -> None:
        self.client = Client(ClusterConfig("https://x"), clock=LoopClock(), transport=ScriptedTransport(answers))
        self.informer = Informer(self.client, NODES, **selection)
        self.released: list[Key] = []
        self.own = OwnWrites(self.released.append, clock=LoopClock())
        self.own.follow(self.informer)
        self.list_with(10)

    def list_with(self, version: int, *objects: dict[str, Any]) -> None:
        """A list begins, and comes."""
        self.informer.listing()
        self.listed(version, *objects)

    def listed(self, version: int, *objects: dict[str, Any]) -> None:
        """A list comes that began earlier."""
        self.informer.replace(ObjectList(tuple(Object.from_dict(each, NODES) for each in objects), str(version)))

    def watched(self, kind: EventType, obj: dict[str, Any]) -> None:
        """The watch brings something."""
        self.informer.apply(WatchEvent(kind, Object.from_dict(obj, NODES)))

    async def writes(self, key: Key = A, name: str = "x") -> None:
        """The reconcile of `key` writes an object."""
        with self.own.noting(key):
            await self.client.merge_patch(NODES, name, {})


async def test_a_key_waits_for_its_own_write_and_no_other_does() -> None:
    """Until the watch brings that version."""
    world = World([answer(thing("x", version=12))])
    assert not world.own.hold(A)
    await world.writes()
    assert world.own.hold(A)
    assert not world.own.hold(B)
    world.watched("MODIFIED", thing("y", version=11))
    assert world.released == []
    world.watched("MODIFIED", thing("x", version=12))
    assert world.released == [A]
    assert not world.own.hold(A)


async def test_whatever_the_watch_brings_later_tells_of_all_before() -> None:
    """The object itself may have changed again, or be out of the selection."""
    world = World([answer(thing("x", version=12))])
    await world.writes()
    assert world.own.hold(A)
    world.watched("ADDED", thing("other", version=13))
    assert world.released == [A]


async def test_a_bookmark_is_enough() -> None:
    """Nobody is told of it: it is looked at twice a second."""
    world = World([answer(thing("x", version=12))])
    await world.writes()
    assert world.own.hold(A)
    world.informer.came_to("12")
    await asyncio.sleep(0.6)
    assert world.released == [A]


async def test_several_writes_are_all_waited_for() -> None:
    """A key that is released too early is held again."""
    world = World([answer(thing("x", version=12)), answer(thing("y", version=14))])
    await world.writes()
    await world.writes(name="y")
    assert world.own.hold(A)
    world.watched("MODIFIED", thing("x", version=12))
    assert world.own.hold(A)
    world.watched("MODIFIED", thing("y", version=14))
    assert world.released[-1] == A
    assert not world.own.hold(A)


async def test_a_write_that_the_cache_has_already_is_not_waited_for() -> None:
    """The watch is often faster than the answer; a patch that changes nothing keeps the version."""
    world = World([answer(thing("x", version=10))])
    await world.writes()
    assert not world.own.hold(A)


async def test_a_write_of_a_kind_or_selection_that_nobody_caches_is_not_waited_for() -> None:
    """It would be waited for in vain."""
    world = World([answer(thing("x", version=12)), answer(thing("p", version=12, namespace="n"))], label_selector="a=b")
    await world.writes()
    with world.own.noting(A):
        await world.client.merge_patch(PODS, "p", {}, namespace="n")
    assert not world.own.hold(A)


async def test_an_object_that_we_take_out_of_the_selection_is_waited_for() -> None:
    """The store still has it."""
    world = World([answer(thing("x", version=12))], label_selector="a=b")
    world.list_with(11, thing("x", version=9, metadata={"labels": {"a": "b"}}))
    await world.writes()
    assert world.own.hold(A)
    world.watched("DELETED", thing("x", version=12))
    assert not world.own.hold(A)


async def test_a_deletion_is_waited_for() -> None:
    """Its answer tells no version: what counts is that the cache does not have the object any more."""
    status = {"kind": "Status", "status": "Success", "details": {"uid": "uid-x"}}
    world = World([answer(status)])
    world.list_with(11, thing("x", version=9))
    with world.own.noting(A):
        await world.client.delete(NODES, "x")
    assert world.own.hold(A)
    world.watched("MODIFIED", thing("y", version=12))
    assert world.own.hold(A)
    world.watched("DELETED", thing("x", version=13))
    await asyncio.sleep(0.6)
    assert world.released[-1] == A
    assert not world.own.hold(A)


async def test_what_was_made_and_deleted_in_one_go_is_not_taken_for_gone_before_it_came() -> None:
    """The cache has not even seen it come."""
    status = {"kind": "Status", "status": "Success", "details": {"uid": "uid-x"}}
    world = World([answer(thing("x", version=12)), answer(status)])
    with world.own.noting(A):
        await world.client.create(NODES, {"metadata": {"name": "x"}})
        await world.client.delete(NODES, "x")
    assert world.own.hold(A)
    world.watched("ADDED", thing("x", version=12))
    assert world.own.hold(A)
    world.watched("DELETED", thing("x", version=13))
    assert not world.own.hold(A)


async def test_a_deletion_that_something_holds_up_is_a_write() -> None:
    """The object is there, with a deletionTimestamp and a version."""
    gone = thing("x", version=12, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}) | {"kind": "Node"}
    world = World([answer(gone)])
    world.list_with(11, thing("x", version=9))
    with world.own.noting(A):
        await world.client.delete(NODES, "x")
    assert world.own.hold(A)
    world.watched("MODIFIED", gone)
    assert not world.own.hold(A)


async def test_a_create_without_an_answer_and_without_a_name_is_waited_for_by_a_list() -> None:
    """One that began afterwards: an older one may have missed it."""
    world = World([Unavailable("the answer was lost"), NeverSent("no connection")])
    world.informer.listing()
    for error in (Unavailable, NeverSent):
        with world.own.noting(A), pytest.raises(error):
            await world.client.create(NODES, {"metadata": {"generateName": "x-"}})
    assert world.own.hold(A)
    world.listed(20)
    assert world.own.hold(A)
    world.list_with(21, thing("x-1", version=15))
    assert not world.own.hold(A)


async def test_a_list_that_began_after_the_write_settles_it() -> None:
    """Also if its version is lower: the server was restored from a backup, and the write is history."""
    world = World([answer(thing("x", version=120))])
    world.informer.listing()
    await world.writes()
    world.listed(100)
    assert world.own.hold(A)
    world.list_with(50)
    assert not world.own.hold(A)


async def test_a_watch_that_withholds_our_write_is_given_up_after_a_while() -> None:
    """The informer lists anew, once, and the key goes on."""
    world = World([listing([], 11), answer(thing("x", version=12)), listing([thing("x", version=12)], 12)])
    transport = world.client._transport
    assert isinstance(transport, ScriptedTransport)
    running = asyncio.create_task(world.informer.run())
    await world.informer.wait_for_sync()
    await asyncio.sleep(0.1)
    await world.writes()
    assert world.own.hold(A)
    lists = transport.lists
    await asyncio.sleep(PATIENCE - 1)
    assert world.released == []
    await asyncio.sleep(3)
    assert world.released[-1] == A
    assert not world.own.hold(A)
    assert world.informer.store.get(Key("", "x")) is not None
    await asyncio.sleep(60)
    assert transport.lists == lists + 1
    running.cancel()


async def test_who_stops_is_not_released() -> None:
    """But what was written is not forgotten."""
    world = World([answer(thing("x", version=12))])
    await world.writes()
    assert world.own.hold(A)
    world.own.stop()
    await asyncio.sleep(60)
    world.watched("MODIFIED", thing("y", version=11))
    assert world.released == []
    assert world.own.hold(A)
    world.own.stop()


async def test_what_is_remembered_is_bounded() -> None:
    """A key that never comes again does not cost memory for ever."""
    count = 2000
    world = World([answer(thing("x", version=11 + n)) for n in range(count)])
    for n in range(count):
        await world.writes(Key("", str(n)))
        world.watched("MODIFIED", thing("x", version=11 + n))
    assert len(world.own._pending) < 200


async def test_who_is_brought_up_again_and_again_while_it_waits_costs_no_memory() -> None:
    """Events of another kind go on while the watch that it waits for is stuck, perhaps for hours."""
    world = World([answer(thing("x", version=12))])
    await world.writes()
    for _ in range(1000):
        assert world.own.hold(A)
    (followed,) = world.own._followed.values()
    assert len(followed) == 1
    world.watched("MODIFIED", thing("x", version=12))
    assert world.released == [A]
