"""Certificates kept in a Secret and in the webhook configurations: whatever becomes of them, on virtual time."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jsonpatch
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from nmstate_k8s.core.admission import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from nmstate_k8s.core.certcontroller import (
    ELECTION,
    LEADERS_TURN,
    SECRETS,
    CertificateReconciler,
    serve_from,
)
from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import Conflict
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.rotation import Durations
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.core.transport import Request, Response
from nmstate_k8s.testing.clock import START, LoopClock
from nmstate_k8s.testing.transport import ScriptedTransport, answer, failure
from tests.core.webhookkit import HOST, ring_of


def virtual_time(test: Callable[..., Any]) -> Any:
    """A test in which waiting costs nothing."""
    return pytest.mark.asyncio(pytest.mark.looptime(test))


SECRET = Key("things", "webhook")
SECRET_PATH = SECRETS.path(SECRET.name, SECRET.namespace)
MUTATING = MUTATING_WEBHOOKS.path("hooks")
VALIDATING = VALIDATING_WEBHOOKS.path("hooks")
HOURS = Durations(*(timedelta(hours=each) for each in (100, 10, 50, 5)))
KEY = Key("", "certificates")


class SmallServer(ScriptedTransport):
    """Objects by path, with resource versions; nothing to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 0
        self.before: Callable[[Request], None] = lambda request: None

    def put(self, path: str, body: dict[str, Any]) -> Response:
        """The object is so from now on."""
        self.version += 1
        metadata = {"uid": f"uid-{self.version}"} | body["metadata"] | {"resourceVersion": str(self.version)}
        self.objects[path] = body | {"metadata": metadata}
        return answer(self.objects[path])

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        self.requests.append(request)
        self.before(request)
        body = json.loads(request.body) if request.body else {}
        if request.method == "POST":
            path = f"{request.path}/{body['metadata']['name']}"
            return failure(409, "AlreadyExists") if path in self.objects else self.put(path, body)
        old = self.objects.get(request.path)
        if old is None:
            return failure(404, "NotFound")
        match request.method:
            case "GET":
                return answer(old)
            case "DELETE":
                return answer(self.objects.pop(request.path))
            case "PATCH":
                return self.put(request.path, jsonpatch.apply_patch(old, body))
        if old.get("immutable"):
            return failure(422, "Invalid")
        if body["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]:
            return failure(409, "Conflict")
        return self.put(request.path, body)

    def configure(self, *names: str) -> None:
        """Webhook configurations of both kinds, as an operator makes them: without a bundle."""
        for path in (MUTATING, VALIDATING):
            hooks = [{"name": name, "clientConfig": {"service": {"name": "x"}}} for name in names]
            self.put(path, {"metadata": {"name": "hooks"}, "webhooks": hooks})

    @property
    def ring(self) -> Keyring:
        """What the Secret holds."""
        data = self.objects[SECRET_PATH]["data"]
        return Keyring.from_data({name: base64.b64decode(value) for name, value in data.items()}, [HOST])

    @property
    def bundles(self) -> set[str]:
        """Those that callers have, each as base64."""
        hooks = [hook for path in (MUTATING, VALIDATING) for hook in self.objects[path]["webhooks"]]
        return {hook["clientConfig"].get("caBundle", "") for hook in hooks}

    @property
    def writes(self) -> int:
        """How many requests changed something."""
        return sum(each.method != "GET" for each in self.requests)


class World:
    """A server, and the controller that looks after it."""

    def __init__(self, durations: Durations = HOURS) -> None:
        self.server = SmallServer()
        self.server.configure("one", "two")
        self.clock = LoopClock()
        self.client = Client(ClusterConfig("https://x"), clock=self.clock, transport=self.server)
        self.durations = durations
        self.start()

    def start(self, *, leads: bool = True) -> None:
        """A process that knows nothing; it leads from now on, or another one does."""
        self.leads = leads
        self.reconciler = CertificateReconciler(
            self.client,
            SECRET,
            hosts=[HOST],
            configurations=[(MUTATING_WEBHOOKS, "hooks"), (VALIDATING_WEBHOOKS, "hooks")],
            durations=lambda: self.durations,
            leads=lambda: self.leads,
            callers=lambda: {name: base64.b64decode(name) for name in self.server.bundles},
        )

    async def look(self) -> float:
        """One call; in how many seconds it wants the next."""
        result = await self.reconciler.reconcile(KEY)
        assert result is not None
        assert result.requeue_after is not None
        return result.requeue_after

    def check(self) -> None:
        """What is served is trusted by all who call, and will be for a while."""
        ring, now = self.server.ring, self.clock.now()
        assert ring.facts.leaf is not None
        assert ring.facts.leaf.expires > now
        assert self.server.bundles == {base64.b64encode(ring.bundle).decode()}
        signer = next(each for each in ring.cas if each.id == ring.facts.leaf.authority)
        assert signer.facts.expires > now


@virtual_time
async def test_certificates_are_made_and_injected() -> None:
    """At the first look; the second changes nothing."""
    world = World()
    await world.look()
    world.check()
    before = world.server.writes
    assert await world.look() <= 3600
    assert world.server.writes == before


@virtual_time
async def test_the_secret_is_written_before_anybody_trusts_what_is_in_it() -> None:
    """A CA whose key was lost could not be taken back from callers."""
    world = World()
    seen: list[tuple[bool, bool]] = []

    def before(request: Request) -> None:
        if request.method == "PATCH":
            ring = world.server.ring
            seen.append((ring.bundle.decode() != "", ring.leaf is None))

    world.server.before = before
    await world.look()
    assert seen == [(True, True)] * 2, "two patches, of a CA that is in the Secret, before there is any leaf"


def _deleted(server: SmallServer) -> None:
    del server.objects[SECRET_PATH]


def _emptied(server: SmallServer) -> None:
    server.put(SECRET_PATH, server.objects[SECRET_PATH] | {"data": {"tls.crt": "", "tls.key": ""}})


def _without_data(server: SmallServer) -> None:
    server.put(SECRET_PATH, {name: value for name, value in server.objects[SECRET_PATH].items() if name != "data"})


def _garbled(server: SmallServer) -> None:
    garbage = base64.b64encode(b"\xff garbage").decode()
    data = dict.fromkeys(["ca.crt", "ca.key", "rotation.json", "tls.crt", "tls.key"], garbage)
    server.put(SECRET_PATH, server.objects[SECRET_PATH] | {"data": data})


def _replaced(server: SmallServer) -> None:
    data = {name: base64.b64encode(value).decode() for name, value in ring_of(["other"]).to_data().items()}
    server.put(SECRET_PATH, server.objects[SECRET_PATH] | {"data": data | {"ca.key": ""}})


def _immutable(server: SmallServer) -> None:
    _garbled(server)
    server.objects[SECRET_PATH]["immutable"] = True


DAMAGES = [_deleted, _emptied, _without_data, _garbled, _replaced, _immutable]


@pytest.mark.parametrize("damage", DAMAGES)
@virtual_time
async def test_a_damaged_secret_is_written_again(damage: Callable[[SmallServer], None]) -> None:
    """As it was: nobody who trusts it has to learn anything."""
    world = World()
    await world.look()
    before = world.server.ring.to_data()
    damage(world.server)
    with capture_logs():
        await world.look()
    world.check()
    assert world.server.ring.to_data() == before


@pytest.mark.parametrize("damage", DAMAGES)
@virtual_time
async def test_who_leads_next_writes_it_again_if_he_saw_it(damage: Callable[[SmallServer], None]) -> None:
    """The newest that he saw, not what he made when he led himself before."""
    world = World()
    await world.look()
    follower = world.reconciler
    world.start()
    world.clock.skew = timedelta(hours=51)
    await world.look()  # another one leads, and renews the certificate
    newest = Object.from_dict(world.server.objects[SECRET_PATH], SECRETS)
    before = world.server.ring.to_data()
    follower.saw(Event(None, newest))
    damage(world.server)
    if SECRET_PATH in world.server.objects:
        follower.saw(Event(newest, Object.from_dict(world.server.objects[SECRET_PATH], SECRETS)))
    world.reconciler = follower
    with capture_logs():
        await world.look()
    world.check()
    assert world.server.ring.to_data() == before


@virtual_time
async def test_another_one_does_what_the_leader_does_not_know_of() -> None:
    """One of an older version leads until its successor is ready: after its turn somebody else acts, and once."""
    world = World()
    world.start(leads=False)
    assert await world.look() == ELECTION
    await asyncio.sleep(LEADERS_TURN - ELECTION / 2)
    assert await world.look() == pytest.approx(ELECTION / 2)
    assert not world.server.requests
    await asyncio.sleep(ELECTION / 2)
    with capture_logs() as logs:
        await world.look()
    assert "the leader keeps no certificates, doing it in its place" in [each["event"] for each in logs]
    world.check()
    world.reconciler.saw(Event(None, Object.from_dict(world.server.objects[SECRET_PATH], SECRETS)))
    asked = len(world.server.requests)
    assert await world.look() == LEADERS_TURN
    assert len(world.server.requests) == asked, "where all is well nothing is asked for"


@virtual_time
async def test_who_comes_to_lead_begins_at_once() -> None:
    """A process that is alone looks at certificates before it leads: a new installation does not wait for its turn."""
    world = World()
    world.start(leads=False)
    wait = await world.look()
    world.leads = True
    await asyncio.sleep(wait)
    with capture_logs():
        await world.look()
    world.check()
    assert wait < 1


@virtual_time
async def test_a_webhook_that_trusts_nobody_is_the_leaders_first() -> None:
    """The operator makes it again without a bundle; who leads has it in its hands, and others wait their turn."""
    world = World()
    await world.look()
    world.start(leads=False)
    world.reconciler.saw(Event(None, Object.from_dict(world.server.objects[SECRET_PATH], SECRETS)))
    world.server.configure("one", "two")
    assert await world.look() == ELECTION
    await asyncio.sleep(LEADERS_TURN)
    with capture_logs():
        await world.look()
    world.check()


@pytest.mark.parametrize("damage", DAMAGES)
@virtual_time
async def test_a_secret_of_which_nobody_knows_is_made_anew(damage: Callable[[SmallServer], None]) -> None:
    """The CAs that callers trust stay trusted while servers change over: they may still show what they had."""
    world = World()
    await world.look()
    old = {each.id for each in world.server.ring.cas}
    damage(world.server)
    world.start()
    with capture_logs():
        await world.look()
    world.check()
    if damage is not _replaced:
        assert old < {each.id for each in world.server.ring.cas}


@virtual_time
async def test_an_expired_ring_is_made_anew() -> None:
    """After a long time without anybody who led."""
    world = World()
    await world.look()
    world.clock.skew += timedelta(seconds=10_000 * 3600)
    await world.look()
    world.check()
    assert len(world.server.ring.cas) == 1


@virtual_time
async def test_a_configuration_that_lost_its_bundle_gets_it_again() -> None:
    """It was made anew by whoever installs it; another field of it is nobody's business here."""
    world = World()
    await world.look()
    world.server.configure("one", "two", "three")
    await world.look()
    world.check()
    assert world.server.objects[MUTATING]["webhooks"][0]["clientConfig"]["service"] == {"name": "x"}


@virtual_time
async def test_where_nobody_calls_there_is_a_certificate_all_the_same() -> None:
    """The server can start; whoever calls later is told of the CA when he is there."""
    world = World()
    del world.server.objects[MUTATING], world.server.objects[VALIDATING]
    await world.look()
    assert world.server.ring.leaf is not None
    world.server.configure("late")
    await world.look()
    world.check()


@virtual_time
async def test_two_leaders_do_not_undo_each_other() -> None:
    """Who comes second is told so, and takes what is there."""
    world = World()
    await world.look()

    def before(request: Request) -> None:
        if request.method == "PUT":
            world.server.before = lambda request: None
            world.server.put(SECRET_PATH, world.server.objects[SECRET_PATH])

    world.clock.skew += timedelta(seconds=51 * 3600)
    world.server.before = before
    with pytest.raises(Conflict):
        await world.look()
    await world.look()
    world.check()


@virtual_time
async def test_durations_may_change_at_any_time() -> None:
    """Shorter ones mean work at once."""
    world = World()
    await world.look()
    first = world.server.ring.leaf
    world.clock.skew += timedelta(seconds=2 * 3600)
    world.durations = Durations(*(timedelta(hours=1),) * 4)
    await world.look()
    world.check()
    assert world.server.ring.leaf != first


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([None, None, None, *DAMAGES])),
        min_size=10,
        max_size=20,
    )
)
def test_what_is_served_is_trusted_whatever_happens_to_the_secret(
    happenings: list[tuple[float, Callable[[SmallServer], None] | None]],
) -> None:
    """While the leader lives: a caller that has the bundle of an hour ago trusts what servers show now, and one that
    has today's trusts what they showed an hour ago. Looks are late by up to an hour.
    """

    asyncio.run(_lived_through(happenings))


async def _lived_through(happenings: list[tuple[float, Callable[[SmallServer], None] | None]]) -> None:
    world, lag = World(), timedelta(hours=1)
    rings: list[tuple[datetime, Keyring]] = []
    wait = await world.look()
    started = world.clock.now() + lag
    for late, damage in happenings:
        if damage is not None:
            damage(world.server)
            with capture_logs():
                await world.look()
        world.clock.skew += timedelta(seconds=wait + late * 3600)
        wait = await world.look()
        world.check()
        now = world.clock.now()
        if now < started:
            continue
        # Each ring was in use until the next one came, and where the news came late, a lag longer.
        ends = [at for at, _ in rings[1:]] + [now] if rings else []
        rings = [ring for ring, end in zip(rings, ends, strict=True) if end >= now - lag]
        rings.append((now, world.server.ring))
        for _, caller in rings:
            for _, server in rings:
                assert server.leaf is not None
                assert server.leaf.not_valid_after_utc > now
                assert any(_signed(server.leaf, each.certificate) for each in caller.cas)


@virtual_time
async def test_a_server_shows_what_the_secret_says() -> None:
    """And goes on showing it when the Secret is gone or garbled."""
    world, tls = World(), ServerTls(metrics=Metrics())
    await world.look()
    handler = serve_from(SECRET, tls)
    good = Object.from_dict(world.server.objects[SECRET_PATH], SECRETS)
    handler(Event(None, good))
    assert tls.loaded
    assert tls.authorities == world.server.ring.bundle
    shown = tls._pair
    with capture_logs() as logs:
        handler(Event(good, None))
        for damage in (_emptied, _without_data, _garbled):
            damage(world.server)
            handler(Event(good, Object.from_dict(world.server.objects[SECRET_PATH], SECRETS)))
        stranger = {"metadata": {"name": "other", "namespace": "things"}, "data": {}}
        handler(Event(None, Object.from_dict(stranger, SECRETS)))
    assert tls._pair == shown
    assert [each["event"] for each in logs] == ["the Secret's certificate cannot be served"]


def _signed(leaf: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(by)
    except (ValueError, InvalidSignature):
        return False
    return True


class _Killed(Exception):
    """The process ended here."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(14))
@virtual_time
async def test_a_leader_that_is_killed_at_any_write_leaves_what_the_next_can_go_on_with(at: int, after: bool) -> None:
    """From nothing, through a rotation of certificate and CA; a caller trusts what is in the Secret all the time."""
    world = World()
    server, send = world.server, world.server.send
    left = at

    async def killing(request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        nonlocal left
        write = request.method != "GET"
        if write and left == 0 and not after:
            left -= 1
            raise _Killed
        answered = await send(request, timeout=timeout, new_connection=new_connection)
        if write:
            left -= 1
            if left == -1 and after:
                raise _Killed
        return answered

    server.send = killing  # type: ignore[method-assign]
    died = 0
    for hour in (0, 51, 101, 102, 111.5, 113, 122.5, 131):
        world.clock.skew = timedelta(hours=hour)
        try:
            await world.look()
        except _Killed:
            died += 1
            world.start()
            await world.look()
        world.check()
    assert died == 1
    assert len(server.ring.cas) == 1
    assert server.ring.cas[0].facts.made >= START + timedelta(hours=100), "the CA is another one than at the start"
