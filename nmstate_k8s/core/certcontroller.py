"""Keeps a server's certificates fresh: in a Secret, in the webhook configurations that call it, in the server.

* `CertificateReconciler` works where this process leads. Each call does what the plan (`rotation`) says is due, writes
  the Secret under its resourceVersion and the bundle into every configuration, and asks to be called again in time.
* Where nobody can be called for a while, whoever sees it does the leader's work: the leader may be of a version that
  knows nothing of it, and is replaced only when its successor is ready, which waits for a certificate.
  A Secret that was deleted or garbled is written again as this process last knew it, from its own work or from what
  it `saw`; a ring of which nothing is known any more is made anew, and the CAs that configurations trust now stay
  trusted while servers change over.
* `serve_from` loads what the Secret says into a `ServerTls`, and `Callers` tells who trusts what: in every replica,
  also in those that do not lead.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.controller import Result
from nmstate_k8s.core.errors import ConfigError, Conflict, Invalid, NotFound
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.objects import Key, Object, Resource
from nmstate_k8s.core.rotation import Durations, Step, plan
from nmstate_k8s.core.store import Store
from nmstate_k8s.core.tls import ServerTls

__all__ = [
    "ELECTION",
    "LEADERS_TURN",
    "SECRETS",
    "Callers",
    "CertificateReconciler",
    "serve_from",
]

SECRETS: Final = Resource("", "v1", "secrets", "Secret", namespaced=True)
LOOK_AGAIN: Final = 3600.0
"""Seconds: at the latest, whatever the plan says; a wall clock may be set meanwhile."""
MAX_STEPS: Final = 10
LEADERS_TURN: Final = 10.0
"""Seconds that the leader has for what others see missing."""
ELECTION: Final = 0.5
"""Seconds after which a process asks itself again whether it leads by now, where something is missing: the only one
comes to lead a moment after it starts, and nobody is called before."""

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class _Secret(msgspec.Struct):
    data: dict[str, str] = msgspec.field(default_factory=dict)


class _Hook(msgspec.Struct, rename="camel"):
    class Config(msgspec.Struct, rename="camel"):
        ca_bundle: str = ""

    name: str
    client_config: Config = msgspec.field(default_factory=Config)


class _Configuration(msgspec.Struct):
    webhooks: list[_Hook] = msgspec.field(default_factory=list)


class CertificateReconciler:
    """Call it for any change of the Secret or a configuration, in every process; the key does not matter."""

    def __init__(
        self,
        client: Client,
        secret: Key,
        *,
        hosts: Sequence[str],
        configurations: Sequence[tuple[Resource, str]],
        durations: Callable[[], Durations] = Durations,
        field_manager: str = "certificates",
        creates: bool = True,
        leads: Callable[[], bool] = lambda: True,
        callers: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        """`configurations`: kind and name; one that is not there (yet) is nobody who calls. `creates`: whether the
        Secret is ours to create. If it is not, a missing one is waited for: the right to create Secrets is the right
        to get a token of any account of the namespace. `leads`: whether this process does; `callers`: who trusts what.
        """
        self._client = client
        self._secret = secret
        self._hosts = tuple(hosts)
        self._configurations = configurations
        self._durations = durations
        self._manager = field_manager
        self._creates = creates
        self._leads = leads
        self._callers = callers
        self._known: Keyring | None = None
        self._served = False
        """Whether the Secret, as it was last seen, has what can be served."""
        self._missing_since: float | None = None

    def saw(self, event: Event) -> None:
        """A handler for an informer of the Secret, from before this process leads: it can then be healed as it was."""
        if event.key != self._secret:
            return
        self._served = False
        if event.new is not None:
            ring = Keyring.from_data(_data(event.new), self._hosts)
            if _usable(ring, self._client.clock.now()):
                self._known, self._served = ring, True

    async def reconcile(self, key: Key) -> Result | None:
        """Do what is due.

        :raises ApiError: if the server refuses (Conflict: another process was faster): it is tried again.
        """
        if not self._leads() and (seconds := self._others_turn()):
            return Result(requeue_after=seconds if self._missing_since is None else min(seconds, ELECTION))
        found = await self._read()
        if found is None and not self._creates:
            log.info("the Secret of certificates is not there yet", secret=str(self._secret))
            return None
        ring = self._healed(Keyring.from_data(_data(found), self._hosts))
        ring = await self._with_trusted(ring)
        durations = self._durations()
        injected = False
        for _ in range(MAX_STEPS):
            now = self._client.clock.now()
            step, authority, look_at = plan(ring.facts, now, durations, injected=injected)
            if step is not None:
                log.info("certificates", step=step.value, authority=authority)
                ring = ring.do(step, authority, now, durations)
                injected = injected and step is Step.MAKE_LEAF
            if step is None and injected:
                return Result(requeue_after=_seconds(look_at, now))
            # The Secret first: a CA that callers trust must not be lost. Then the callers, then what rests on them.
            found = await self._write(found, ring)
            injected = await self._inject(ring)
        return Result(requeue_after=0.1)

    def _others_turn(self) -> float:
        """For how many seconds the leader is waited for; 0: no longer."""
        if self._served and all(self._callers().values()):
            self._missing_since = None
            return LEADERS_TURN
        now = self._client.clock.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        left = self._missing_since + LEADERS_TURN - now
        if left <= 0:
            log.warning("the leader keeps no certificates, doing it in its place", secret=str(self._secret))
        return max(left, 0.0)

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(SECRETS, self._secret.name, self._secret.namespace)
        except NotFound:
            return None

    def _healed(self, ring: Keyring) -> Keyring:
        """The ring, or the one that we know where that has been damaged."""
        known = self._known
        now = self._client.clock.now()
        if known is None or _usable(ring, now) or not _usable(known, now):
            return ring
        log.warning("the Secret of certificates was damaged, writing it again", secret=str(self._secret))
        return known

    async def _with_trusted(self, ring: Keyring) -> Keyring:
        """A ring without any CA keeps those that callers trust: servers may still show certificates of theirs."""
        if ring.cas:
            return ring
        bundles = [bundle for found in await self._found() for bundle in _bundles(found)]
        return Keyring.from_data({"ca.crt": b"\n".join(bundles)}, self._hosts)

    async def _write(self, found: Object | None, ring: Keyring) -> Object:
        self._known = ring
        data = {name: base64.b64encode(value).decode() for name, value in ring.to_data().items()}
        body: dict[str, Any] = {
            "metadata": {"name": self._secret.name, "namespace": self._secret.namespace},
            "type": "Opaque",  # one for TLS always has a certificate; ours has none until its CA is trusted
            "data": data,
        }
        if found is None:
            return await self._client.create(SECRETS, body, field_manager=self._manager)
        if found.view(_Secret).data == data:
            return found
        whole = found.to_dict() | {"data": data}
        try:
            return await self._client.replace(SECRETS, whole, field_manager=self._manager)
        except Invalid as error:
            # Somebody made it immutable: only another one of its name can be as we need it.
            log.warning("the Secret of certificates cannot be changed, making it anew", error=str(error))
        await self._client.delete(SECRETS, self._secret.name, self._secret.namespace, uid=found.uid)
        if not self._creates:
            raise Conflict("the Secret of certificates is to be made anew by whoever makes it")
        return await self._client.create(SECRETS, body, field_manager=self._manager)

    async def _found(self) -> list[tuple[Resource, str, _Configuration]]:
        found = []
        for resource, name in self._configurations:
            try:
                obj = await self._client.get(resource, name)
            except NotFound:
                continue
            found.append((resource, name, obj.view(_Configuration)))
        return found

    async def _inject(self, ring: Keyring) -> bool:
        """Every webhook of every configuration trusts the bundle; True, or an error."""
        bundle = base64.b64encode(ring.bundle).decode()
        for resource, name, configuration in await self._found():
            operations: list[dict[str, Any]] = []
            for place, hook in enumerate(configuration.webhooks):
                if hook.client_config.ca_bundle != bundle:
                    path = f"/webhooks/{place}"
                    operations.append({"op": "test", "path": f"{path}/name", "value": hook.name})
                    operations.append({"op": "add", "path": f"{path}/clientConfig/caBundle", "value": bundle})
            if operations:
                await self._client.json_patch(resource, name, operations, field_manager=self._manager)
        return True


def serve_from(secret: Key, tls: ServerTls) -> Callable[[Event], None]:
    """A handler for an informer of the Secret: what it says is shown from the next handshake on.

    A Secret that is deleted or cannot be used changes nothing: what was shown is still trusted.
    """

    def handler(event: Event) -> None:
        if event.new is None or event.key != secret:
            return
        data = _data(event.new)
        if not data.get("tls.crt"):
            return
        try:
            changed = tls.load(data["tls.crt"], data.get("tls.key", b""), data.get("ca.crt", b""))
        except ConfigError as error:
            log.warning("the Secret's certificate cannot be served", secret=str(secret), error=str(error))
        else:
            log.info("certificate loaded", secret=str(secret), changed=changed)

    return handler


class Callers:
    """Who calls us: webhook configurations, as their informers know them. For `WebhookServer`'s readiness."""

    def __init__(self) -> None:
        self._known: list[tuple[Store, Resource, str]] = []

    def follow(self, informer: Informer, name: str) -> None:
        """One more; it is to be there."""
        self._known.append((informer.store, informer.resource, name))

    def __call__(self) -> dict[str, bytes]:
        """The bundle of each webhook; empty where there is none, or not the configuration either."""
        found: dict[str, bytes] = {}
        for store, resource, name in self._known:
            obj = store.get(Key("", name))
            hooks = obj.view(_Configuration).webhooks if obj is not None else []
            for hook in hooks:
                found[f"{resource.kind} {name} {hook.name}"] = base64.b64decode(hook.client_config.ca_bundle)
            if not hooks:
                found[f"{resource.kind} {name}"] = b""
        return found


def _data(found: Object | None) -> dict[str, bytes]:
    if found is None:
        return {}
    data: dict[str, bytes] = {}
    for name, value in found.view(_Secret).data.items():
        data[name] = base64.b64decode(value)
    return data


def _bundles(found: tuple[Resource, str, _Configuration]) -> list[bytes]:
    return [base64.b64decode(hook.client_config.ca_bundle) for hook in found[2].webhooks]


def _usable(ring: Keyring, now: datetime) -> bool:
    """Whether it has a leaf that can be served, and a CA that can sign the next one."""
    facts = ring.facts
    return (
        facts.leaf is not None
        and now < facts.leaf.expires
        and any(each.can_sign and now < each.expires for each in facts.authorities)
    )


def _seconds(look_at: datetime | None, now: datetime) -> float:
    return LOOK_AGAIN if look_at is None else min(LOOK_AGAIN, max(0.05, (look_at - now).total_seconds()))
