"""The work queue against a model of what it promises, for random histories."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import looptime
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nmstate_k8s.core.ratelimit import ItemBackoff
from nmstate_k8s.core.workqueue import LOW_EVERY, Priority, QueueShutDown, WorkQueue
from tests.conftest import IDLE_TURNS

T = TypeVar("T")
keys = st.sampled_from("abcde")
priorities = st.sampled_from(Priority)


class QueueMachine(RuleBasedStateMachine):
    """The model: a lane of waiting keys per priority, what is wanted of keys in work, and what is due when."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop(noop_cycles=IDLE_TURNS)
        self.queue = WorkQueue[str](limiter=ItemBackoff(1, 8))
        self.closed = ""
        self.failures: dict[str, int] = {}
        self.wanted: dict[str, Priority] = {}
        self.lanes: dict[Priority, list[str]] = {priority: [] for priority in Priority}
        self.since_low = 0
        self.working: dict[str, Priority] = {}
        self.due: dict[str, tuple[float, int, Priority]] = {}
        self.wishes = 0

    def teardown(self) -> None:
        self.queue.shut_down()
        self.loop.close()

    def do(self, awaitable: Awaitable[T]) -> T:
        """Let the queue's loop run."""

        async def main() -> T:
            return await awaitable

        return self.loop.run_until_complete(main())

    def want(self, key: str, priority: Priority) -> None:
        """The model's add."""
        if self.closed:
            return
        before = self.wanted.get(key)
        if before is not None and before >= priority:
            return
        self.wanted[key] = priority
        if key not in self.working:
            if before is not None:
                self.lanes[before].remove(key)
            self.lanes[priority].append(key)

    def waits(self) -> bool:
        """Whether any key may be handed out."""
        return any(self.lanes.values())

    @rule(key=keys, priority=priorities)
    def add(self, key: str, priority: Priority) -> None:
        """Somebody wants a key now."""
        self.queue.add(key, priority)
        self.want(key, priority)

    @rule(key=keys, delay=st.integers(1, 9), priority=priorities)
    def add_after(self, key: str, delay: int, priority: Priority) -> None:
        """Somebody wants a key later: the earliest time and the highest priority count."""

        async def add() -> float:
            self.queue.add_after(key, delay, priority)
            return asyncio.get_running_loop().time() + delay

        self.wish(key, self.do(add()), priority)

    def wish(self, key: str, at: float, priority: Priority) -> None:
        """The model's add_after."""
        if self.closed:
            return
        was = self.due.get(key)
        highest = max(was[2], priority) if was else priority
        if was is None or at < was[0]:
            self.wishes += 1
            self.due[key] = (at, self.wishes, highest)
        else:
            self.due[key] = (*was[:2], highest)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """Work on a key failed: it comes again later, with its priority, each time after twice as long."""
        key = data.draw(st.sampled_from(sorted(self.working)))

        async def retry() -> tuple[float, float]:
            return asyncio.get_running_loop().time(), self.queue.add_rate_limited(key)

        now, delay = self.do(retry())
        assert delay == min(8, 2.0 ** self.failures.get(key, 0))
        self.failures[key] = self.failures.get(key, 0) + 1
        assert self.queue.failures(key) == self.failures[key]
        self.wish(key, now + delay, self.working[key])

    @rule(key=keys)
    def forget(self, key: str) -> None:
        """The key is well: its next failure is its first."""
        self.queue.forget(key)
        self.failures.pop(key, None)

    @precondition(lambda self: not self.closed)
    @rule(drain=st.booleans(), chance=st.integers(0, 3))
    def shut_down(self, drain: bool, chance: int) -> None:
        """Nothing is accepted any more; draining, what waits is still worked on. What is dropped is told."""
        if chance:
            return  # mostly later: a queue that is shut down does little
        expected = {key: priority for key, (_, _, priority) in self.due.items() if not drain or key not in self.wanted}
        if not drain:
            for key, priority in self.wanted.items():
                expected[key] = max(priority, expected.get(key, priority))
        assert self.queue.shut_down(drain=drain) == expected
        self.closed = "draining" if drain else "at once"
        self.due.clear()
        if not drain:
            self.wanted.clear()
            self.lanes = {priority: [] for priority in Priority}

    @rule(seconds=st.integers(1, 5))
    def time_passes(self, seconds: int) -> None:
        """Delayed keys come when they are due, in the order of their times."""

        async def sleep() -> float:
            await asyncio.sleep(seconds + 0.01)
            return asyncio.get_running_loop().time()

        now = self.do(sleep())
        for key, (at, _, priority) in sorted(self.due.items(), key=lambda item: item[1][:2]):
            if at <= now:
                del self.due[key]
                self.want(key, priority)

    @precondition(waits)
    @rule()
    def get(self) -> None:
        """The oldest key of the right lane is handed out: news, but for every sixteenth."""
        key = self.do(self.queue.get())
        low = self.lanes[Priority.LOW]
        if low and (not self.lanes[Priority.HIGH] or self.since_low >= LOW_EVERY - 1):
            expected, self.since_low = low.pop(0), 0
        else:
            expected = self.lanes[Priority.HIGH].pop(0)
            self.since_low += 1
        assert key == expected
        assert key not in self.working
        self.working[key] = self.wanted.pop(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        """Work on a key ends; if it was wanted meanwhile, it waits now."""
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.queue.done(key)
        del self.working[key]
        if key in self.wanted:
            self.lanes[self.wanted[key]].append(key)

    @precondition(lambda self: not self.waits())
    @rule()
    def nothing_to_get(self) -> None:
        """Without a wanted key, a getter waits, and its cancellation changes nothing; it is told of the end."""

        async def get() -> str:
            try:
                async with asyncio.timeout(0):
                    return await self.queue.get()
            except TimeoutError:
                return "waits"
            except QueueShutDown:
                return "ended"

        ended = self.closed and not self.wanted
        assert self.do(get()) == ("ended" if ended else "waits")

    @invariant()
    def no_key_is_lost_or_doubled(self) -> None:
        """The queue has exactly the keys that the model has."""
        assert len(self.queue) == sum(map(len, self.lanes.values()))
        assert self.queue.processing == self.working.keys()
        assert all(self.queue.waiting(priority) == len(lane) for priority, lane in self.lanes.items())

    @invariant()
    def the_end_is_told_when_all_is_done(self) -> None:
        """Not before."""

        async def joined() -> bool:
            try:
                async with asyncio.timeout(0):
                    await self.queue.join()
            except TimeoutError:
                return False
            return True

        assert self.do(joined()) == bool(self.closed and not self.wanted and not self.working)


QueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestQueue = QueueMachine.TestCase


@dataclass(frozen=True)
class Wish:
    """Somebody wants a key: when, after which delay, and how long the work on it then takes."""

    at: int
    key: str
    delay: int
    work: int
    priority: Priority


wishes = st.lists(
    st.builds(Wish, st.integers(0, 30), keys, st.integers(0, 12), st.integers(0, 7), priorities), max_size=30
)


@settings(max_examples=150)
@given(wishes=wishes, workers=st.integers(1, 4), drain_at=st.integers(0, 60))
def test_with_many_workers_no_key_is_lost_and_none_runs_twice_at_once(
    wishes: list[Wish], workers: int, drain_at: int
) -> None:
    """Every wish is followed by work on its key, in time; after a drain nothing waits or runs."""
    queue = WorkQueue[str]()
    runs: dict[str, list[tuple[float, float]]] = {}
    running: set[str] = set()
    accepted: list[Wish] = []
    loop = looptime.new_event_loop(noop_cycles=IDLE_TURNS)

    async def worker(takes: list[int]) -> None:
        while True:
            try:
                key = await queue.get()
            except QueueShutDown:
                return
            assert key not in running
            running.add(key)
            began = loop.time()
            await asyncio.sleep(takes.pop() if takes else 0)
            running.remove(key)
            runs.setdefault(key, []).append((began, loop.time()))
            queue.done(key)

    async def wish(each: Wish) -> None:
        await asyncio.sleep(each.at)
        if each.at < drain_at and each.at + each.delay < drain_at:
            accepted.append(each)
        queue.add_after(each.key, each.delay, each.priority)

    async def main() -> None:
        takes = [each.work for each in wishes]
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(worker(takes))
            for each in wishes:
                group.create_task(wish(each))
            await asyncio.sleep(drain_at)
            queue.shut_down(drain=True)
            await queue.join()
        assert not running
        assert len(queue) == 0

    loop.run_until_complete(main())
    loop.close()
    longest = sum(each.work for each in wishes)
    for each in accepted:
        # An earlier wish for the same key is as good: it was worked on after this one was uttered.
        worked = (began for began, _ in runs[each.key])
        assert any(each.at <= began <= each.at + each.delay + longest for began in worked), f"{each} was lost"
