"""Reflector and store against a server with a random history and random faults on the way, on virtual time.

Whatever happens: what the handlers are told is a history without gaps or repetitions, and once all is healed the store
is what the server has. No deletion is missed, not even of an object that was made anew under its name.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar, get_args

import looptime
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Key, Object, Resource
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.faults import (
    Cut,
    Delay,
    Duplicate,
    Fault,
    Frozen,
    HalfOpen,
    InStream,
    OlderList,
    Refuse,
    TornLine,
    Withheld,
)
from nmstate_k8s.testing.servermodel import Backup, ServerModel, StreamingLists
from tests.conftest import IDLE_TURNS

T = TypeVar("T")
THINGS = Resource("example.com", "v1", "things", "Thing")
names = st.sampled_from("abcde")
lists_or_watches = st.sampled_from([("list",), ("watch",), ()])
once_or_always = st.sampled_from([1, 2, None])

faults: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Cut, verbs=lists_or_watches, times=once_or_always),
    st.builds(HalfOpen, verbs=lists_or_watches, times=st.none()),
    st.builds(Delay, verbs=lists_or_watches, seconds=st.floats(0.1, 50)),
    st.builds(Refuse, verbs=lists_or_watches, code=st.just(500), times=once_or_always),
    st.builds(Refuse, verbs=lists_or_watches, code=st.just(410), reason=st.just("Expired"), times=once_or_always),
    st.builds(Refuse, code=st.just(429), reason=st.just("TooManyRequests"), retry_after=st.integers(0, 20)),
    st.builds(InStream, times=once_or_always),
    st.builds(TornLine, times=once_or_always),
    st.builds(Duplicate),
    st.builds(Withheld),
    st.builds(OlderList),
    st.builds(Frozen),
)  # fmt: skip


class MirrorMachine(RuleBasedStateMachine):
    """One informer, one server, one way between them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop(noop_cycles=IDLE_TURNS)
        self.told: dict[Key, Object] = {}
        self.gone: list[tuple[str, str]] = []
        self.deleted: list[tuple[str, str]] = []
        self.ever_told: set[tuple[str, str]] = set()
        self.wrong: list[str] = []
        self.old_lists = False
        self.backup: Backup | None = None

    @initialize(
        page_size=st.sampled_from([1, 2, 500]),
        there=st.sets(names),
        streaming=st.sampled_from([None, *get_args(StreamingLists)]),
    )
    def begin(self, page_size: int, there: set[str], streaming: StreamingLists | None) -> None:
        """`streaming`: what the server makes of the wish for streaming lists; None: nobody has it."""
        self.do(self._begin(page_size, there, streaming))

    async def _begin(self, page_size: int, there: set[str], streaming: StreamingLists | None) -> None:
        self.server = ServerModel(streaming_lists=streaming or "offered")
        for name in sorted(there):
            self.server.put(name)
        self.client = Client(
            ClusterConfig("https://x"),
            clock=LoopClock(),
            transport=self.server,
            page_size=page_size,
            watch_idle_seconds=60,
        )
        self.informer = Informer(
            self.client, THINGS, indexers={"all": lambda obj: ["x"]}, streaming_list=streaming is not None
        )
        self.informer.add_handler(self.hear)
        self.task = asyncio.create_task(self.informer.run())

    def do(self, awaitable: Awaitable[T]) -> T:
        async def main() -> T:
            return await awaitable

        return self.loop.run_until_complete(main())

    def hear(self, event: Event) -> None:
        """A handler that checks that it is told a history."""
        key, known = event.key, self.told.get(event.key)
        if event.new is None:
            if known is None or event.old is None or known.uid != event.old.uid:
                self.wrong.append(f"{key} went and was not there")
            else:
                self.gone.append((known.name, known.uid))
            self.told.pop(key, None)
            return
        if (event.old is None) != (known is None) or (known is not None and known is not event.old):
            self.wrong.append(f"{key}: what was is not what was told")
        if known is not None and known.uid != event.new.uid:
            self.wrong.append(f"{key} is another object, and its deletion was not told")
        if known is not None and version(known) == version(event.new):
            self.wrong.append(f"{key} was told twice at {version(known)}")
        if known is not None and version(known) > version(event.new) and not self.old_lists:
            self.wrong.append(f"{key} went back from {version(known)} to {version(event.new)}")
        self.told[key] = event.new
        self.ever_told.add((event.new.name, event.new.uid))

    @rule(name=names)
    def put(self, name: str) -> None:
        self.server_does(lambda: self.server.put(name))

    @precondition(lambda self: self.server.objects)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.server.objects)))
        self.deleted.append((name, self.server.objects[name]["metadata"]["uid"]))
        self.server_does(lambda: self.server.delete(name))

    @precondition(lambda self: self.server.objects)
    @rule(data=st.data())
    def make_anew(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.server.objects)))
        self.deleted.append((name, self.server.objects[name]["metadata"]["uid"]))
        self.server_does(lambda: (self.server.delete(name), self.server.put(name)))

    @rule(what=st.sampled_from(["bookmark", "forget"]))
    def history(self, what: str) -> None:
        self.server_does(getattr(self.server, what))

    @rule(fault=faults)
    def trouble(self, fault: Fault) -> None:
        fault.healed, fault.hits = asyncio.Event(), 0
        if isinstance(fault, OlderList):
            fault.first = {}
            self.old_lists = True
        self.server_does(lambda: self.server.add(fault))

    @rule()
    def heal(self) -> None:
        self.server_does(self.server.heal)

    @rule()
    def reset(self) -> None:
        self.server_does(self.client.reset_connections)

    @rule()
    def save(self) -> None:
        self.backup = self.server.backup()

    @precondition(lambda self: self.backup is not None and self.backup.version < self.server.version)
    @rule()
    def set_back(self) -> None:
        """Should the server come as far as we were before we ask it, nobody could tell that it was set back."""
        assert self.backup is not None
        self.old_lists = True
        there = {(name, obj["metadata"]["uid"]) for name, obj in self.server.objects.items()}
        again = {(name, obj["metadata"]["uid"]) for name, obj in self.backup.objects.items()}
        self.deleted = [each for each in self.deleted if each not in again] + sorted(there - again)
        self.do(self._set_back())
        self.gone = [each for each in self.gone if each not in again]  # they are there again, and may go again

    async def _set_back(self) -> None:
        self.server.heal()
        assert self.backup is not None
        self.server.restore(self.backup)
        await until(self._in_step, 300)

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0, 5.0, 40.0, 90.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    def server_does(self, what: Any) -> None:
        async def main() -> None:
            what()

        self.do(main())

    @invariant()
    def the_history_that_is_told_is_one(self) -> None:
        assert not self.wrong, self.wrong
        if hasattr(self, "informer"):
            store = self.informer.store
            assert {key: store.get(key) for key in store} == self.told
            assert len(store.by_index("all", "x")) == len(store)

    def teardown(self) -> None:
        try:
            self.do(self._converges())
            assert not self.wrong, self.wrong
            missed = [each for each in self.deleted if each in self.ever_told and each not in self.gone]
            assert not missed, f"deletions that nobody was told of: {missed}"
            # In an older list it is there again.
            assert self.old_lists or len(self.gone) == len(set(self.gone)), "a deletion was told twice"
        finally:
            self.do(self._end())
            self.loop.close()

    async def _converges(self) -> None:
        """Within the longest wait of the backoff and the idle limit of a watch that is half-open."""
        self.server.heal()
        asked = self.server.counts.total()
        await until(self._in_step, 300)
        assert self.server.counts.total() - asked < 60, "a busy loop"

    def _in_step(self) -> bool:
        if self.informer.version != self.server.version:
            return False
        have = {key.name: obj.metadata.resource_version for key, obj in self.told.items()}
        return have == {name: obj["metadata"]["resourceVersion"] for name, obj in self.server.objects.items()}

    async def _end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


def version(obj: Object) -> int:
    return int(obj.metadata.resource_version)


TestMirror = MirrorMachine.TestCase
TestMirror.settings = settings(max_examples=150, stateful_step_count=30)
