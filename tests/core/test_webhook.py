"""The webhook server: whatever comes is answered, in time, and calls outlive a change of certificates."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from nmstate_k8s.core.admission import AdmissionRequest, Decision, allow, deny, patched
from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.doorkeeper import Doorkeeper
from nmstate_k8s.core.webhook import Webhook
from nmstate_k8s.testing.clock import until
from tests.core.hostilebodies import BODIES
from tests.core.webhookkit import HOST, Caller, Place, peak_rss, review, ring_of, serving, show

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def ring() -> Keyring:
    """A certificate for all."""
    return ring_of()


async def judge(request: AdmissionRequest) -> Decision:
    """Says what its object's name asks for."""
    match request.new.name if request.new else "":
        case "bad":
            return deny("no", code=422, reason="Invalid", warnings=["look out"])
        case "change":
            return patched([{"op": "add", "path": "/x", "value": 1}])
        case "bug":
            raise KeyError("bug")
        case "slow":
            await asyncio.Event().wait()
        case "cancelled":
            raise asyncio.CancelledError  # as something that it waits for was
        case "nothing":
            return None  # type: ignore[return-value]
        case "no patch":
            return patched([{"op": "add", "path": "/x", "value": object()}])
    return allow(warnings=["mind"])


HOOKS = (Webhook("/check", judge, "allow"), Webhook("/strict", judge, "deny"))


@pytest_asyncio.fixture
async def place(ring: Keyring) -> AsyncIterator[Place]:
    """The server under test."""
    async with serving(*HOOKS, ring=ring) as running:
        yield running


def named(name: str) -> bytes:
    """A question about an object of that name."""
    return review("7", object={"metadata": {"name": name}})


# --- Questions that can be answered


async def test_yes(place: Place, ring: Keyring) -> None:
    """With the uid of the question, to who trusts the ring and calls by the server's name."""
    async with place.caller(ring) as caller:
        answer = await caller.post(named("good"))
    assert answer.status == 200
    assert answer.response == {"uid": "7", "allowed": True, "warnings": ["mind"]}


async def test_no(place: Place) -> None:
    """With a code and a reason that the API server hands on."""
    assert (await place.post(named("bad"))).response == {
        "uid": "7",
        "allowed": False,
        "status": {"code": 422, "message": "no", "reason": "Invalid"},
        "warnings": ["look out"],
    }


async def test_a_change_is_a_json_patch(place: Place) -> None:
    """In base64."""
    answer = (await place.post(named("change"))).response
    assert (answer["allowed"], answer["patchType"]) == (True, "JSONPatch")
    assert msgspec.json.decode(msgspec.convert(answer["patch"], bytes)) == [{"op": "add", "path": "/x", "value": 1}]


@pytest.mark.parametrize(("path", "allowed"), [("/check", True), ("/strict", False)])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bug", "failed (KeyError)"),
        ("slow", "took too long"),
        ("cancelled", "failed (CancelledError)"),
        ("nothing", "failed (AttributeError)"),
        ("no patch", "failed (TypeError)"),
    ],
)
async def test_a_handler_that_fails_is_contained(ring: Keyring, path: str, allowed: bool, name: str, said: str) -> None:
    """Its webhook says whether that means yes, with a warning, or no; the next call is answered as ever."""
    async with serving(*HOOKS, ring=ring, call_seconds=0.3) as place:
        async with place.caller() as caller:
            with capture_logs() as logs:
                answer = (await caller.post(named(name), path)).response
            assert answer["allowed"] is allowed
            (text,) = answer["warnings"] if allowed else [answer["status"]["message"]]
            assert said in text
            assert [each["log_level"] for each in logs] == ["error"]
            assert (await caller.post(named("good"), path)).response["allowed"]
        panics = place.metrics.registry.get_sample_value("controller_runtime_webhook_panics_total")
        assert panics == (name != "slow")


async def test_the_api_servers_own_time_limit_is_kept(place: Place) -> None:
    """It names it in the query; an answer after it would be for nobody."""
    answer = await asyncio.wait_for(place.post(named("slow"), "/strict?timeout=1s"), 5)
    assert "took too long" in answer.response["status"]["message"]


async def test_calls_are_counted(place: Place) -> None:
    """Under controller-runtime's names."""
    await place.post(named("good"))
    await place.post(b"")
    sample = place.metrics.registry.get_sample_value
    assert sample("controller_runtime_webhook_requests_total", {"webhook": "/check", "code": "200"}) == 1
    assert sample("controller_runtime_webhook_requests_total", {"webhook": "/check", "code": "400"}) == 1
    assert sample("controller_runtime_webhook_requests_in_flight", {"webhook": "/check"}) == 0
    assert sample("controller_runtime_webhook_latency_seconds_count", {"webhook": "/check"}) == 2


# --- Questions that cannot


@pytest.mark.parametrize(("body", "status", "says"), [pytest.param(*each[1:], id=each.what) for each in BODIES])
async def test_a_hostile_body_is_answered(place: Place, body: bytes, status: int, says: str) -> None:
    """With a sentence, within a second or so of work; then all goes on."""
    answer = await asyncio.wait_for(place.post(body), 20)
    assert answer.status == status
    assert says in answer.body.decode()
    assert len(answer.body) < 1000
    assert (await place.post(named("good"))).response["allowed"]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param({"method": "GET"}, 405, id="GET"),
        pytest.param({"method": "DELETE"}, 405, id="DELETE"),
        pytest.param({"kind": "text/plain"}, 415, id="text"),
        pytest.param({"kind": "application/x-www-form-urlencoded"}, 415, id="a form"),
        pytest.param({"Content_Encoding": "gzip"}, 415, id="compressed"),
        pytest.param({"path": "/elsewhere"}, 404, id="another path"),
        pytest.param({"X_Large": "x" * 100_000}, 400, id="a huge header"),
    ],
)
async def test_a_hostile_head_is_answered(place: Place, options: dict[str, Any], status: int) -> None:
    """Before the body is read."""
    answer = await asyncio.wait_for(place.post(review(), **options), 20)
    assert answer.status == status


async def test_what_is_no_http_is_answered(place: Place) -> None:
    """With 400, and the connection is closed."""
    async with place.caller() as caller:
        assert (await caller.say(b"\x16\x03\x01 hello\r\n\r\n")).status == 400
        assert await caller.closed()


async def test_a_body_without_end_is_not_read_to_its_end(place: Place) -> None:
    """In chunks, with no length: it is refused when it has become too large."""
    async with place.caller() as caller:
        head = f"POST /check HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        answer = await caller.say(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 50)
        assert answer.status == 413


async def test_a_slow_body_is_not_waited_for(place: Place) -> None:
    """It gets 408 in less than a second, and the connection is closed."""
    async with place.caller() as caller:
        head = f"POST /check HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        answer = await caller.say(head.encode() + b'{"apiVersion"')
        assert answer.status == 408
        assert "0.8 s" in answer.body.decode()
        assert await caller.closed()


async def test_slow_heads_are_not_waited_for(ring: Keyring) -> None:
    """Nor is silence: such connections are closed, one that is used is not."""
    keeper = Doorkeeper(head_seconds=0.3, idle_seconds=1.0)
    async with serving(*HOOKS, ring=ring, doorkeeper=keeper) as place:
        async with place.caller() as slow, place.caller() as silent, place.caller() as used:
            slow.writer.write(b"POST /check HTTP/1.1\r\nHo")
            assert await slow.closed()
            closing = asyncio.ensure_future(silent.closed())
            while not closing.done():
                assert (await used.post(named("good"))).response["allowed"]
                await asyncio.sleep(0.1)
            assert closing.result()
            assert (await used.post(named("good"))).response["allowed"]
        await until(lambda: not keeper.guests)
        assert not keeper.idle


async def test_the_longest_idle_connection_makes_room(ring: Keyring) -> None:
    """So whoever opens many takes no place from a call that is at work or comes."""
    async with (
        serving(*HOOKS, ring=ring, doorkeeper=Doorkeeper(most=3)) as place,
        place.caller() as first,
        place.caller() as second,
        place.caller() as third,
    ):
        at_work = asyncio.ensure_future(first.post(named("slow"), "/strict?timeout=3s"))
        assert (await second.post(named("good"))).status == 200
        assert (await third.post(named("good"))).status == 200
        async with place.caller() as fourth:
            assert await second.closed()
            assert (await fourth.post(named("good"))).status == 200
            async with place.caller() as fifth:
                assert await third.closed()
                assert (await fifth.post(named("good"))).status == 200
        assert "took too long" in (await at_work).response["status"]["message"]


async def test_no_more_run_at_once_than_may(ring: Keyring) -> None:
    """Some wait, until there is no time left for them; the rest is told so at once."""
    inside, go_on = 0, asyncio.Event()

    async def hold(_: AdmissionRequest) -> Decision:
        nonlocal inside
        inside += 1
        await go_on.wait()
        return allow()

    limits = {"max_running": 2, "max_waiting": 1, "call_seconds": 60}
    async with serving(Webhook("/hold", hold, "deny"), ring=ring, **limits) as place:
        held = [asyncio.ensure_future(place.post(named("a"), "/hold?timeout=30s")) for _ in range(2)]
        await until(lambda: inside == 2)
        assert (await place.post(named("a"), "/hold?timeout=1s")).status == 503
        held.append(asyncio.ensure_future(place.post(named("a"), "/hold?timeout=30s")))
        await until(lambda: place.server._waiting == 1)
        assert (await place.post(named("a"), "/hold?timeout=30s")).status == 429
        go_on.set()
        assert [answer.status for answer in await asyncio.gather(*held)] == [200, 200, 200]
        assert inside == 3


SERVER = """
import asyncio, sys
from nmstate_k8s.core.webhook import Webhook
from tests.core.test_webhook import judge
from tests.core.hostilebodies import BODIES
from tests.core.webhookkit import ring_of, serving

async def main():
    async with serving(Webhook("/check", judge, "allow"), ring=ring_of(), max_running=2) as place:
        print(place.server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_memory_is_bounded() -> None:
    """Of many large bodies at once only a few are held, whatever their senders say of them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        lines = [await process.stdout.readline() for _ in range(2)]  # the log's, and ours
        port = int(lines[1])
        before = await asyncio.to_thread(peak_rss, process.pid)

        async def send(head: str, body: bytes) -> int:
            context = ssl._create_unverified_context()
            async with asyncio.timeout(60):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                first = f"POST /check HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
                try:
                    return (await Caller(reader, writer).say(first.encode() + body)).status
                except (OSError, EOFError):
                    return 0  # who goes on sending for seconds after the refusal is cut off
                finally:
                    writer.transport.abort()

        large = b" " * (12 << 20)
        chunks = b"C00000\r\n" + large + b"\r\n"
        fair = review(object={"metadata": {"name": "good"}, "x": "y" * (6 << 20)})
        statuses = await asyncio.gather(
            *(send(f"Content-Length: {100 << 20}", large) for _ in range(6)),
            *(send("Transfer-Encoding: chunked", chunks) for _ in range(6)),
            *(send(f"Content-Length: {len(fair)}", fair) for _ in range(10)),
        )
        assert set(statuses[:12]) <= {0, 413, 408, 503}
        grown = await asyncio.to_thread(peak_rss, process.pid) - before
        assert grown < 64 << 20, f"{grown >> 20} MiB more, for 200 MiB that came"
    finally:
        process.kill()
        await process.communicate()


# --- Certificates


async def test_connections_outlive_a_change_of_certificates(ring: Keyring) -> None:
    """Those that are open get their answer; new ones see the new certificate, and no old bundle trusts it."""
    other = ring_of()
    async with serving(*HOOKS, ring=ring) as place, place.caller(ring) as old:
        show(place.tls, other)
        assert (await old.post(named("good"))).status == 200
        assert await old.closed()
        async with place.caller(other) as new:
            assert (await new.post(named("good"))).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            async with place.caller(ring):
                pass


async def test_no_call_is_lost_while_certificates_change(ring: Keyring) -> None:
    """A hundred calls on connections of their own, twenty changes, each while some are under way."""
    async with serving(*HOOKS, ring=ring) as place:
        for _ in range(20):
            calls = [asyncio.create_task(place.post(named("good"))) for _ in range(5)]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            show(place.tls, ring_of())
            assert [(await call).status for call in calls] == [200] * 5


async def test_calls_are_finished_when_the_server_stops(ring: Keyring) -> None:
    """And no new one is taken."""
    waiting, go = asyncio.Event(), asyncio.Event()

    async def slow(request: AdmissionRequest) -> Decision:
        waiting.set()
        await go.wait()
        return allow()

    async with serving(Webhook("/check", slow, "deny"), ring=ring) as place, place.caller() as caller:
        calling = asyncio.ensure_future(caller.post(named("good")))
        await waiting.wait()
        place.task.cancel()
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await place.post(named("good"))
        go.set()
        assert (await calling).response["allowed"]


async def test_ready_means_callable(ring: Keyring) -> None:
    """By the server's name, by who trusts the bundle."""
    async with serving(*HOOKS) as place:
        assert "no certificate" in await place.server.check()
        show(place.tls, ring)
        assert await place.server.check() == ""
        place.tls.authorities = ring_of().bundle
        assert "cannot call us" in await place.server.check()
        show(place.tls, ring_of(hosts=["other.things.svc"]))
        assert "cannot call us" in await place.server.check()


async def test_ready_means_callable_by_all(ring: Keyring) -> None:
    """Who has another bundle, or none yet, is named."""
    callers = {"one": ring.bundle, "two": b""}
    async with serving(*HOOKS, ring=ring, callers=lambda: callers) as place:
        assert await place.server.check() == "two does not trust us yet"
        callers["two"] = b"garbage"
        assert "two cannot call us" in await place.server.check()
        callers["two"] = ring_of().bundle
        assert "two cannot call us" in await place.server.check()
        callers["two"] += ring.bundle
        assert await place.server.check() == ""
