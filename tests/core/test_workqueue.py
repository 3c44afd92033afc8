"""The work queue, property by property, on virtual time."""

import asyncio
from contextlib import suppress

import pytest

from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.queuemetrics import QueueMetrics
from nmstate_k8s.core.ratelimit import ItemBackoff
from nmstate_k8s.core.workqueue import LOW_EVERY, Priority, QueueShutDown, WorkQueue
from nmstate_k8s.testing.clock import LoopClock

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def now() -> float:
    """Virtual seconds."""
    return asyncio.get_running_loop().time()


async def test_a_key_that_waits_is_worked_on_once() -> None:
    """However often it changes."""
    queue = WorkQueue[str]()
    for key in "abab":
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_a_key_in_work_is_not_handed_out_but_not_lost() -> None:
    """It comes again after done, once."""
    queue = WorkQueue[str]()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_news_goes_before_what_was_there_anyway() -> None:
    """Somebody waits for a change that he made; nobody waits for a resync."""
    queue = WorkQueue[str]()
    queue.add("old", Priority.LOW)
    queue.add("news")
    assert [await queue.get(), await queue.get()] == ["news", "old"]


async def test_a_key_that_becomes_news_moves_up() -> None:
    """And it is still handed out once."""
    queue = WorkQueue[str]()
    for key in "abc":
        queue.add(key, Priority.LOW)
    queue.add("c")
    queue.add("c", Priority.LOW)
    assert [await queue.get() for _ in range(3)] == ["c", "a", "b"]


async def test_a_flood_of_news_does_not_starve_the_rest() -> None:
    """Every sixteenth key is one of the others."""
    queue = WorkQueue[str]()
    queue.add("old", Priority.LOW)
    taken = []
    for number in range(40):
        queue.add(f"n{number}")
        taken.append(await queue.get())
    assert taken.index("old") < LOW_EVERY


async def test_a_delayed_key_comes_in_time_and_the_earliest_wish_counts() -> None:
    """Later wishes for the same key do not add up."""
    queue = WorkQueue[str]()
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 20)
    assert await queue.get() == "a"
    assert now() == pytest.approx(3)
    queue.done("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await queue.get()


async def test_delays_are_kept_in_their_order() -> None:
    """Whatever the order in which they were wished for."""
    queue = WorkQueue[str]()
    for key, delay in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("now", 0.0)):
        queue.add_after(key, delay)
    assert [await queue.get() for _ in range(4)] == ["now", "a", "b", "c"]


async def test_failures_wait_longer_until_they_are_forgotten() -> None:
    """Per key."""
    queue = WorkQueue[str](limiter=ItemBackoff(1, 60))
    assert [queue.add_rate_limited("a") for _ in range(3)] == [1, 2, 4]
    assert queue.add_rate_limited("b") == 1
    assert queue.failures("a") == 3
    queue.forget("a")
    assert queue.add_rate_limited("a") == 1


async def test_shutting_down_ends_the_waiting() -> None:
    """At once, and nothing more is accepted."""
    queue = WorkQueue[str]()
    waiter = asyncio.create_task(queue.get())
    await asyncio.sleep(1)
    queue.add_after("late", 1)
    queue.shut_down()
    with pytest.raises(QueueShutDown):
        await waiter
    queue.add("a")
    assert len(queue) == 0


async def test_draining_hands_out_what_waits_and_what_comes_back() -> None:
    """A key that changed while in work is worked on before the end."""
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "a"
    queue.add("a")
    queue.shut_down(drain=True)
    assert await queue.get() == "b"
    last = asyncio.create_task(queue.get())
    queue.done("b")
    queue.done("a")
    assert await last == "a"
    waiter = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.done("a")
    with pytest.raises(QueueShutDown):
        await waiter


async def test_a_key_that_comes_again_by_its_own_work_keeps_its_priority() -> None:
    """A retry of what was there anyway does not overtake news; a change of it does."""
    queue = WorkQueue[str](limiter=ItemBackoff(1, 60))
    for key in ("failing", "later", "changed"):
        queue.add(key, Priority.LOW)
        await queue.get()
    queue.add_rate_limited("failing")
    queue.add_after("later", 1)
    queue.add_after("changed", 1)
    queue.add_after("changed", 1, Priority.HIGH)
    for key in ("failing", "later", "changed"):
        queue.done(key)
    await asyncio.sleep(2)
    assert (queue.waiting(Priority.LOW), queue.waiting(Priority.HIGH)) == (2, 1)
    queue.add("news")
    assert [await queue.get() for _ in range(4)] == ["changed", "news", "failing", "later"]


async def test_who_shuts_down_is_told_what_will_not_be_worked_on() -> None:
    """What waits, what is delayed and what is wanted again; draining, only what is delayed."""
    for drain, expected in ((False, {"a": 0, "b": -100, "c": 0}), (True, {"c": 0})):
        queue = WorkQueue[str]()
        queue.add("a")
        await queue.get()
        queue.add("a")
        queue.add("b", Priority.LOW)
        queue.add_after("b", 5, Priority.LOW)
        queue.add_after("c", 5)
        assert queue.shut_down(drain=drain) == expected


@pytest.mark.parametrize("drain", [True, False])
async def test_joining_waits_for_all_work(drain: bool) -> None:
    """What is under way, and draining also what waits."""
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add("b")
    await queue.get()
    joined = asyncio.create_task(queue.join())
    await asyncio.sleep(1)
    queue.shut_down(drain=drain)
    await asyncio.sleep(1)
    assert not joined.done()
    queue.done("a")
    if drain:
        await asyncio.sleep(1)
        assert not joined.done()
        assert await queue.get() == "b"
        queue.done("b")
    await asyncio.wait_for(joined, 1)


async def test_done_twice_is_done_once() -> None:
    """A key that waits again is not handed out twice by it."""
    queue = WorkQueue[str]()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.done("a")
    queue.done("a")
    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_wishes_that_were_overtaken_cost_no_memory() -> None:
    """A key that is to be looked at in an hour, and is looked at every second."""
    queue = WorkQueue[str]()
    for _ in range(3000):
        queue.add_after("a", 3600)
        queue.add_after("a", 1)
        assert await queue.get() == "a"
        queue.done("a")
    assert len(queue._heap) < 200


async def test_a_cancelled_getter_loses_no_key() -> None:
    """Also if it was about to be given one."""
    queue = WorkQueue[str]()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    assert await second == "a"


async def test_the_metrics_tell_depth_and_age() -> None:
    """By client-go's names, ages at the moment when they are asked for."""
    metrics = Metrics()
    queue = WorkQueue[str](metrics=QueueMetrics(metrics, "q", clock=LoopClock()))
    labels = {"name": "q", "controller": "q"}
    queue.add("a")
    queue.add("b", Priority.LOW)
    await asyncio.sleep(2)
    await queue.get()
    await asyncio.sleep(5)

    def value(name: str, **more: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels | more)

    assert value("workqueue_depth", priority="-100") == 1
    assert value("workqueue_depth", priority="0") == 0
    assert value("workqueue_adds_total") == 2
    assert value("workqueue_queue_duration_seconds_sum") == 2
    assert value("workqueue_unfinished_work_seconds") == 5
    assert value("workqueue_longest_running_processor_seconds") == 5
    queue.done("a")
    assert value("workqueue_work_duration_seconds_sum") == 5
    assert value("workqueue_unfinished_work_seconds") == 0
    queue.add_rate_limited("a")
    assert value("workqueue_retries_total") == 1
    queue.shut_down()
    assert value("workqueue_depth", priority="-100") == 0
