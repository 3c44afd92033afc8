"""The controller: one key at a time, three endings, and a graceful stop; on virtual time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller, Result
from nmstate_k8s.core.errors import Conflict, TerminalError
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.mappers import label_value
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Key, Resource
from nmstate_k8s.core.predicates import labels_changed
from nmstate_k8s.core.ratelimit import ItemBackoff
from nmstate_k8s.core.sources import Channel, Ticker
from nmstate_k8s.testing.clock import LoopClock, until
from nmstate_k8s.testing.transport import OPEN, ScriptedTransport, changed, listing, thing

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
