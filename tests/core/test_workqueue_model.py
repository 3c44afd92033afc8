"""The work queue against a model of what it promises, for random histories."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import looptime
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nmstate_k8s.core.workqueue import LOW_EVERY, Priority, QueueShutDown, WorkQueue

T = TypeVar("T")
keys = st.sampled_from("abcde")
priorities = st.sampled_from(Priority)


class QueueMachine(RuleBasedStateMachine):
    """The model: a lane of waiting keys per priority, what is wanted of keys in work, and what is due when."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.queue = WorkQueue[str]()
        self.wanted: dict[str, Priority] = {}
        self.lanes: dict[Priority, list[str]] = {priority: [] for priority in Priority}
        self.since_low = 0
        self.working: set[str] = set()
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

        at = self.do(add())
        was = self.due.get(key)
        highest = max(was[2], priority) if was else priority
        if was is None or at < was[0]:
            self.wishes += 1
            self.due[key] = (at, self.wishes, highest)
        else:
            self.due[key] = (*was[:2], highest)

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
        del self.wanted[key]
        self.working.add(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        """Work on a key ends; if it was wanted meanwhile, it waits now."""
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.queue.done(key)
        self.working.discard(key)
        if key in self.wanted:
            self.lanes[self.wanted[key]].append(key)

    @precondition(lambda self: not self.waits())
    @rule()
    def nothing_to_get(self) -> None:
        """Without a wanted key, a getter waits, and its cancellation changes nothing."""

        async def get() -> bool:
            try:
                async with asyncio.timeout(0):
                    await self.queue.get()
            except TimeoutError:
                return True
            return False

        assert self.do(get())

    @invariant()
    def no_key_is_lost_or_doubled(self) -> None:
        """The queue has exactly the keys that the model has."""
        assert len(self.queue) == sum(map(len, self.lanes.values()))
        assert self.queue.processing == self.working


QueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueue = QueueMachine.TestCase


def test_a_shut_down_queue_is_empty() -> None:
    """Nothing is handed out afterwards."""
    loop = looptime.new_event_loop()
    queue = WorkQueue[str]()
    queue.add("a")
    queue.shut_down()

    async def get() -> bool:
        try:
            await queue.get()
        except QueueShutDown:
            return True
        return False

    assert loop.run_until_complete(get())
    loop.close()
