"""The controller: one key at a time, three endings, and a graceful stop; on virtual time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller, Result
from nmstate_k8s.core.errors import Conflict, NotLeader, TerminalError
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.mappers import label_value
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Key, Object, Resource
from nmstate_k8s.core.predicates import labels_changed
from nmstate_k8s.core.ratelimit import ItemBackoff
from nmstate_k8s.core.sources import Channel, Ticker
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import OPEN, ScriptedTransport, answer, changed, listing, thing

NODES = Resource("", "v1", "nodes", "Node")
A, B = Key("", "a"), Key("", "b")

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Recorder:
    """A reconciler that remembers, and does what it is told for each call."""

    def __init__(self, *endings: Result | BaseException | float | None) -> None:
        self.endings = list(endings)
        self.calls: list[tuple[float, str]] = []
        self.running: list[str] = []
        self.most = 0
        self.finished: list[str] = []

    @property
    def names(self) -> list[str]:
        """Whom it was called for."""
        return [name for _, name in self.calls]

    async def reconcile(self, key: Key) -> Result | None:
        assert key.name not in self.running
        self.calls.append((asyncio.get_running_loop().time(), key.name))
        self.running.append(key.name)
        self.most = max(self.most, len(self.running))
        try:
            ending = self.endings.pop(0) if self.endings else None
            if isinstance(ending, BaseException):
                raise ending
            if isinstance(ending, float):
                await asyncio.sleep(ending)
                self.finished.append(key.name)
                return None
            return ending
        finally:
            self.running.remove(key.name)


class Bench:
    """A controller that runs."""

    def __init__(self, reconciler: Recorder, **options: object) -> None:
        self.metrics = Metrics()
        self.reconciler = reconciler
        self.controller = Controller(
            "test",
            reconciler,
            limiter=ItemBackoff(1, 60),
            metrics=self.metrics,
            clock=LoopClock(),
            **options,  # type: ignore[arg-type]
        )
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Bench":
        self.task = asyncio.create_task(self.controller.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    def count(self, name: str, **labels: str) -> float | None:
        """A metric's value."""
        return self.metrics.registry.get_sample_value(name, {"controller": "test"} | labels)


def informer(answers: list[object], streams: list[object]) -> Informer:
    """An informer with a scripted server; run it yourself."""
    transport = ScriptedTransport(answers, streams)  # type: ignore[arg-type]
    return Informer(Client(ClusterConfig("https://x"), clock=LoopClock(), transport=transport), NODES)


async def ended(reconciler: Recorder, *, calls: int) -> None:
    """Wait until the reconciler was called so often."""
    await until(lambda: len(reconciler.calls) >= calls and not reconciler.running, 300)


async def test_a_result_may_ask_to_be_called_again() -> None:
    """After exactly that time, as a success."""
    recorder = Recorder(Result(requeue_after=7), None)
    async with Bench(recorder) as bench:
        bench.controller.enqueue(A)
        await ended(recorder, calls=2)
        assert [at for at, _ in recorder.calls] == pytest.approx([0, 7])
        assert bench.count("controller_runtime_reconcile_total", result="requeue_after") == 1
        assert bench.count("controller_runtime_reconcile_total", result="success") == 1


async def test_somebody_has_to_work() -> None:
    """Said at once."""
    with pytest.raises(ValueError, match="a worker"):
        Controller("test", Recorder(), workers=0, metrics=Metrics())


async def test_every_result_is_counted_from_the_start() -> None:
    """A dashboard's rate over errors must not miss the first one; bugs, timeouts and ends for good are told apart."""
    recorder = Recorder(ValueError("bug"), Conflict("faster"), TerminalError("never"), 10.0, None)
    async with Bench(recorder, timeout=5) as bench:
        for result in ("error", "requeue", "requeue_after", "success"):
            assert bench.count("controller_runtime_reconcile_total", result=result) == 0
        assert bench.count("controller_runtime_max_concurrent_reconciles") == 1
        bench.controller.enqueue(A)
        await ended(recorder, calls=3)
        bench.controller.enqueue(A)
        await asyncio.sleep(1)
        assert bench.count("controller_runtime_active_workers") == 1
        await ended(recorder, calls=5)
        assert bench.count("controller_runtime_active_workers") == 0
        for name, count in (("errors", 4), ("panics", 1), ("timeouts", 1)):
            assert bench.count(f"controller_runtime_reconcile_{name}_total") == count
        assert bench.count("controller_runtime_terminal_reconcile_errors_total") == 1
        assert bench.count("controller_runtime_reconcile_total", result="error") == 4
        assert bench.count("controller_runtime_reconcile_time_seconds_count") == 5
        assert bench.count("controller_runtime_reconcile_time_seconds_bucket", le="0.45") == 4


@pytest.mark.parametrize("bug", [ValueError("bug"), Conflict("somebody was faster"), asyncio.CancelledError()])
async def test_an_error_is_tried_again_after_a_growing_delay(bug: BaseException) -> None:
    """A bug too, and a cancellation that came from within: other keys do not notice."""
    recorder = Recorder(bug, bug, None)
    async with Bench(recorder) as bench:
        bench.controller.enqueue(A)
        await ended(recorder, calls=3)
        assert [at for at, _ in recorder.calls] == pytest.approx([0, 1, 3])
        assert bench.count("controller_runtime_reconcile_errors_total") == 2
        bench.controller.enqueue(B)
        await ended(recorder, calls=4)


async def test_success_forgets_the_failures() -> None:
    """The next failure is the first again."""
    recorder = Recorder(ValueError("1"), None, ValueError("2"), None)
    async with Bench(recorder) as bench:
        bench.controller.enqueue(A)
        await ended(recorder, calls=2)
        bench.controller.enqueue(A)
        await ended(recorder, calls=4)
        assert recorder.calls[3][0] - recorder.calls[2][0] == pytest.approx(1)


async def test_a_terminal_error_waits_for_a_change() -> None:
    """It is not called again by itself, and is when something changes."""
    recorder = Recorder(TerminalError("never"), None)
    async with Bench(recorder) as bench:
        bench.controller.enqueue(A)
        await asyncio.sleep(1000)
        assert len(recorder.calls) == 1
        assert bench.count("controller_runtime_terminal_reconcile_errors_total") == 1
        bench.controller.enqueue(A)
        await ended(recorder, calls=2)


async def test_a_reconcile_that_takes_too_long_is_ended_and_tried_again() -> None:
    """Its timeout counts as a failure."""
    recorder = Recorder(100.0, None)
    async with Bench(recorder, timeout=5) as bench:
        bench.controller.enqueue(A)
        await ended(recorder, calls=2)
        assert recorder.finished == []
        assert [at for at, _ in recorder.calls] == pytest.approx([0, 6])
        assert bench.count("controller_runtime_reconcile_timeouts_total") == 1


async def test_workers_share_the_keys_and_never_one() -> None:
    """Four workers, four keys at once; a key that changes meanwhile comes afterwards."""
    recorder = Recorder(*[10.0] * 10)
    async with Bench(recorder, workers=4) as bench:
        for name in "abcdef":
            bench.controller.enqueue(Key("", name))
        await asyncio.sleep(1)
        bench.controller.enqueue(A)
        await ended(recorder, calls=7)
        assert recorder.most == 4
        assert recorder.names.count("a") == 2


async def test_work_begins_when_the_caches_are_in_step() -> None:
    """With everything that is there, then with what changes."""
    recorder = Recorder()
    nodes = informer([listing([thing("a", version=1)], 1)], [[5.0, changed("ADDED", thing("b", version=2)), OPEN]])
    bench = Bench(recorder)
    bench.controller.watch(nodes)
    async with bench:
        await asyncio.sleep(10)
        assert recorder.calls == []
        following = asyncio.create_task(nodes.run())
        await ended(recorder, calls=2)
        assert recorder.names == ["a", "b"]
        following.cancel()


async def test_a_change_concerns_what_it_was_and_what_it_is() -> None:
    """An object that moves from one owner to another is news to both."""
    recorder = Recorder()
    before = thing("x", version=1, metadata={"labels": {"owner": "a"}})
    after = thing("x", version=2, metadata={"labels": {"owner": "b"}})
    nodes = informer([listing([before], 1)], [[1.0, changed("MODIFIED", after), OPEN]])
    bench = Bench(recorder)
    bench.controller.watch(nodes, label_value("owner"), labels_changed)
    async with bench:
        following = asyncio.create_task(nodes.run())
        await ended(recorder, calls=3)
        assert recorder.names == ["a", "a", "b"]
        following.cancel()


async def test_a_predicate_keeps_noise_away() -> None:
    """A status write is no reason to look at labels."""
    recorder = Recorder()
    nodes = informer([listing([thing("a", version=1)], 1)], [[1.0, changed("MODIFIED", thing("a", version=2)), OPEN]])
    bench = Bench(recorder)
    bench.controller.watch(nodes, predicate=labels_changed)
    async with bench:
        following = asyncio.create_task(nodes.run())
        await asyncio.sleep(20)
        assert recorder.names == ["a"]
        following.cancel()


async def test_a_bug_in_a_predicate_or_a_mapper_is_contained() -> None:
    """A change that cannot be judged counts; an object that cannot be mapped costs the others nothing."""

    def judge(event: Event) -> bool:
        return bool(event.object.labels["judged"])

    def whose(obj: Object) -> list[Key]:
        return [Key("", obj.labels["owner"])]

    recorder = Recorder()
    good = thing("b", version=1, metadata={"labels": {"owner": "b"}})
    nodes = informer(
        [listing([thing("a", version=1), good], 1)], [[1.0, changed("ADDED", thing("c", version=2)), OPEN]]
    )
    bench = Bench(recorder)
    bench.controller.watch(nodes, whose, judge)
    async with bench:
        following = asyncio.create_task(nodes.run())
        await asyncio.sleep(10)
        assert recorder.names == ["b"]
        following.cancel()


async def test_what_was_there_before_waits_for_what_is_new() -> None:
    """Somebody waits for a change that he made."""
    recorder = Recorder(*[1.0] * 10)
    there = [thing(name, version=1) for name in "abc"]
    nodes = informer([listing(there, 1)], [[0.5, changed("MODIFIED", thing("c", version=2)), OPEN]])
    bench = Bench(recorder)
    bench.controller.watch(nodes)
    following = asyncio.create_task(nodes.run())
    async with bench:
        await ended(recorder, calls=3)
        assert recorder.names == ["a", "c", "b"]
    following.cancel()


class Writer:
    """A reconciler that creates what its cache does not have, as a naive one does."""

    def __init__(self, nodes: Informer) -> None:
        self.nodes = nodes
        self.client = nodes._client
        self.created = 0

    async def reconcile(self, key: Key) -> None:
        if self.nodes.store.get(Key("", "made")) is None:
            self.created += 1
            await self.client.create(NODES, {"metadata": {"generateName": "made-"}})


async def test_a_stale_cache_causes_no_second_create() -> None:
    """However often the key comes up before the watch tells of the first one."""
    made = thing("made", version=2)
    nodes = informer([listing([], 1), answer(made), answer(made)], [[30.0, changed("ADDED", made), OPEN]])
    writer = Writer(nodes)
    controller = Controller("test", writer, patience=60, metrics=Metrics(), clock=LoopClock())
    controller.watch(nodes, lambda _: [A])
    tasks = [asyncio.create_task(nodes.run()), asyncio.create_task(controller.run())]
    for _ in range(20):
        controller.enqueue(A)
        await asyncio.sleep(1)
    assert writer.created == 1
    await until(lambda: nodes.store.get(Key("", "made")))
    await asyncio.sleep(10)
    assert writer.created == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_key_that_waits_for_its_own_write_is_reconciled_when_that_has_come() -> None:
    """It is not lost, once is enough, and it waits neither for its patience nor for somebody else."""
    made = thing("x", version=2)
    calls: list[float] = []
    nodes = informer([listing([], 1), answer(made)], [[5.0, changed("ADDED", made), OPEN]])

    class Once:
        async def reconcile(self, key: Key) -> None:
            calls.append(asyncio.get_running_loop().time())
            if len(calls) == 1:
                await nodes._client.merge_patch(NODES, "x", {})

    controller = Controller("test", Once(), metrics=Metrics(), clock=LoopClock())
    controller.reads(nodes)
    tasks = [asyncio.create_task(nodes.run()), asyncio.create_task(controller.run())]
    controller.enqueue(A)
    await asyncio.sleep(1)
    controller.enqueue(A)
    await asyncio.sleep(100)
    assert calls == pytest.approx([0, 5], abs=0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_was_brought_up_and_not_done_is_done_when_it_runs_again() -> None:
    """No informer would bring it up a second time: what waits, what is delayed, and what was cut short."""
    recorder = Recorder(1000.0)
    bench = Bench(recorder, grace_seconds=5)
    async with bench:
        bench.controller.enqueue(A)
        await asyncio.sleep(1)
        bench.controller.enqueue(B)
        bench.controller.enqueue(Key("", "c"), after=600)
    assert recorder.names == ["a"]
    bench.controller.enqueue(Key("", "d"))
    async with bench:
        await ended(recorder, calls=5)
        assert sorted(recorder.names[1:]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "ending", [pytest.param(NotLeader("refused"), id="refused"), pytest.param(Result(requeue_after=60), id="later")]
)
async def test_who_ends_in_the_grace_and_is_to_be_called_again_is_when_it_runs_again(
    ending: Result | BaseException,
) -> None:
    """As one whose write was refused since others may lead: no informer would bring its key up a second time."""
    finish = asyncio.Event()

    class Slow(Recorder):
        async def reconcile(self, key: Key) -> Result | None:
            await finish.wait()
            return await super().reconcile(key)

    recorder = Slow(ending)
    bench = Bench(recorder, grace_seconds=30)
    async with bench:
        bench.controller.enqueue(A)
        await asyncio.sleep(1)
        asyncio.get_running_loop().call_later(5, finish.set)
    assert recorder.names == ["a"]
    async with bench:
        await ended(recorder, calls=2)
    assert recorder.names == ["a", "a"]


async def test_a_running_reconcile_may_finish_when_the_controller_stops() -> None:
    """No new key is begun; what runs is not cut in half."""
    recorder = Recorder(10.0)
    async with Bench(recorder, grace_seconds=30) as bench:
        bench.controller.enqueue(A)
        bench.controller.enqueue(B)
        await asyncio.sleep(1)
    assert recorder.finished == ["a"]
    assert recorder.names == ["a"]
    assert asyncio.get_running_loop().time() == pytest.approx(10)


async def test_the_grace_has_an_end() -> None:
    """What hangs is cancelled then."""
    recorder = Recorder(1000.0)
    async with Bench(recorder, grace_seconds=30) as bench:
        bench.controller.enqueue(A)
        await asyncio.sleep(1)
    assert recorder.finished == []
    assert recorder.running == []
    assert asyncio.get_running_loop().time() == pytest.approx(31)


async def test_a_second_cancellation_ends_the_grace() -> None:
    """Somebody insists."""
    recorder = Recorder(1000.0)
    async with Bench(recorder, grace_seconds=300) as bench:
        bench.controller.enqueue(A)
        await asyncio.sleep(1)
        assert bench.task is not None
        bench.task.cancel()
        await asyncio.sleep(5)
        assert recorder.running == ["a"]
    assert recorder.running == []
    assert asyncio.get_running_loop().time() == pytest.approx(6)


async def test_a_controller_that_waits_for_caches_stops_at_once() -> None:
    """There is nothing to be finished."""
    bench = Bench(Recorder())
    bench.controller.watch(informer([], []))
    async with bench:
        await asyncio.sleep(1)
    assert asyncio.get_running_loop().time() == pytest.approx(1)


async def test_a_controller_can_run_again_and_starts_from_what_is_there() -> None:
    """As a leader's does when it comes to lead again."""
    recorder = Recorder()
    nodes = informer([listing([thing("a", version=1)], 1)], [[OPEN]])
    bench = Bench(recorder)
    bench.controller.watch(nodes)
    following = asyncio.create_task(nodes.run())
    for turn in (1, 2):
        async with bench:
            await ended(recorder, calls=turn)
    assert recorder.names == ["a", "a"]
    following.cancel()


async def test_sources_bring_up_keys_of_their_own() -> None:
    """A channel when something is sent, also before the start; a ticker again and again."""
    recorder = Recorder()
    bench = Bench(recorder)
    channel = Channel()
    bench.controller.add_source(channel)
    bench.controller.add_source(Ticker(60, [B], jitter=0.1))
    channel.send(A)
    channel.send(A)
    async with bench:
        await asyncio.sleep(200)
        channel.send(A)
        await asyncio.sleep(1)
    assert recorder.names == ["a", "b", "b", "b", "a"]


async def test_another_thread_can_send_keys() -> None:
    """While the controller runs; else it is told that nobody would take them."""
    channel = Channel()
    with pytest.raises(RuntimeError, match="does not run"):
        channel.send_threadsafe(A)
    recorder = Recorder()
    bench = Bench(recorder)
    bench.controller.add_source(channel)
    async with bench:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(channel.send_threadsafe, A)
        await ended(recorder, calls=1)


async def test_what_is_logged_in_a_reconcile_says_where(log: Callable[[], list[dict[str, object]]]) -> None:
    """Controller, key and an id of the very call."""

    class Logging:
        async def reconcile(self, key: Key) -> None:
            structlog.get_logger().info("hello")

    controller = Controller("test", Logging(), metrics=Metrics())
    controller.enqueue(Key("n", "a"))
    task = asyncio.create_task(controller.run())
    await until(lambda: any(entry["event"] == "hello" for entry in log()))
    entry = next(entry for entry in log() if entry["event"] == "hello")
    assert (entry["controller"], entry["key"]) == ("test", "n/a")
    assert entry["reconcile_id"]
    task.cancel()


@pytest.fixture
def log() -> Callable[[], list[dict[str, object]]]:
    """What was logged, with everything that was bound."""
    entries: list[dict[str, object]] = []
    capture = structlog.testing.LogCapture()
    entries = capture.entries  # type: ignore[assignment]
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    return lambda: entries


@pytest.fixture(autouse=True)
def _structlog_defaults() -> object:
    yield
    structlog.reset_defaults()
