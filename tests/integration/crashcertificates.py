"""Crash scenarios of the certificates: made, renewed in three steps, healed, while who keeps them dies.

What is in a certificate is chance. Compared is how many CAs and leaves there are and who trusts what; the stories see
to it that they fit together: the leaf is signed by a CA that every webhook trusts.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from nmstate_k8s.api.meta import APP, APP_LABEL, CERTIFICATE_SECRET, CONTROLLER_LEASE, CONTROLLER_MANAGER
from nmstate_k8s.api.meta import WEBHOOK_CONFIGURATION as CONFIGURATION
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.apps.run_controller import managed
from nmstate_k8s.apps.settings import ControllerSettings
from nmstate_k8s.core.admission import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from nmstate_k8s.core.certcontroller import SECRETS
from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.events import EVENTS
from nmstate_k8s.core.leaderelection import LEASES
from nmstate_k8s.core.objects import Object
from nmstate_k8s.core.rotation import Durations, Step
from nmstate_k8s.domain.install.kinds import SERVICES
from nmstate_k8s.domain.install.stack import InstallSettings, Manifest, Stack, prefixed
from nmstate_k8s.domain.install.webhook import webhook
from nmstate_k8s.domain.kinds import NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.crashaudit import Watched
from tests.integration.rolloutkit import Cluster, grant, until

NAMESPACE: Final = "certs"
SECRET: Final = prefixed(NAMESPACE, CERTIFICATE_SECRET)
NAME: Final = prefixed(NAMESPACE, CONFIGURATION)
KINDS: Final = (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)
HOSTS: Final = [f"{prefixed(NAMESPACE, name)}.{NAMESPACE}.svc" for name in ("nmstate-webhook", "nmstate-monitor")]
LABELLED: Final = f"{APP_LABEL}={APP}"
SETTINGS: Final = ControllerSettings(
    NAMESPACE,
    identity="controller-0",
    health_address="",
    log_level="info",
    webhook_address="127.0.0.1:0",
    prefix=NAMESPACE,
)

PATIENCE_SECONDS: Final = 90.0
"""Each of the two lives may leave it to others for ten seconds where nothing is missing (`certcontroller`)."""
YEAR, DAY, HOUR = Durations().ca_rotate, timedelta(days=1), timedelta(hours=1)
# What was done how long ago, so that the next step is due now and the one after it is not.
RENEWED: Final = (
    (Step.MAKE_AUTHORITY, YEAR + HOUR),
    (Step.NOTE_TRUST, YEAR + HOUR),
    (Step.MAKE_LEAF, 10 * DAY),
)
TRUSTED: Final = (
    (Step.MAKE_AUTHORITY, YEAR + DAY + HOUR),
    (Step.NOTE_TRUST, YEAR + DAY + HOUR),
    (Step.MAKE_LEAF, 10 * DAY),
    (Step.MAKE_AUTHORITY, DAY + HOUR),
    (Step.NOTE_TRUST, DAY + HOUR),
)
REPLACED: Final = (
    (Step.MAKE_AUTHORITY, YEAR + 2 * DAY),
    (Step.NOTE_TRUST, YEAR + 2 * DAY),
    (Step.MAKE_LEAF, 10 * DAY),
    (Step.MAKE_AUTHORITY, 2 * DAY + HOUR),
    (Step.NOTE_TRUST, 2 * DAY + HOUR),
    (Step.MAKE_LEAF, DAY + HOUR),
)


async def live(client: Client) -> None:
    """The controller, as its program runs it."""
    await managed(client, SETTINGS).run(signals=False)


@dataclass(frozen=True)
class Site:
    """The administrator, and what the operator has installed of the webhooks."""

    admin: Client

    @property
    def installed(self) -> list[Manifest]:
        nmstate = Object.from_dict({"metadata": {"name": "test"}}, NMSTATES)
        settings = InstallSettings(handler_image="handler", namespace=NAMESPACE, prefix=NAMESPACE)
        wanted = webhook(Stack.of(nmstate, NMStateSpec(), settings))
        return [each for each in wanted if each.resource != SERVICES]

    async def apply(self, *manifests: Manifest) -> None:
        """As the operator does: an empty Secret, and webhooks that say nothing of whom to trust."""
        for manifest in manifests:
            metadata = {**manifest.body["metadata"], "ownerReferences": []}
            await self.admin.apply(manifest.resource, {**manifest.body, "metadata": metadata}, field_manager="test")

    async def ring(self) -> Keyring:
        """What the Secret holds."""
        found = (await self.admin.get(SECRETS, SECRET, NAMESPACE)).to_dict()
        data = {name: base64.b64decode(value) for name, value in found.get("data", {}).items()}
        return Keyring.from_data(data, HOSTS)

    async def write(self, ring: Keyring) -> None:
        """Put it into the Secret, and its CAs where they are trusted."""
        data = {name: base64.b64encode(value).decode() for name, value in ring.to_data().items()}
        await self.admin.merge_patch(SECRETS, SECRET, {"data": data}, namespace=NAMESPACE)
        for kind in KINDS:
            hooks = (await self.admin.get(kind, NAME)).to_dict()["webhooks"]
            for hook in hooks:
                hook["clientConfig"]["caBundle"] = data["ca.crt"]
            await self.admin.merge_patch(kind, NAME, {"webhooks": hooks})

    async def callable_when(self, so: Callable[[Keyring], bool] = lambda ring: True) -> None:
        """Wait until there is a leaf that every webhook trusts, and the ring is so."""

        async def fits() -> bool:
            ring = await self.ring()
            bundle = base64.b64encode(ring.bundle).decode()
            hooks = [hook for kind in KINDS for hook in (await self.admin.get(kind, NAME)).to_dict()["webhooks"]]
            trusted = all(hook["clientConfig"].get("caBundle") == bundle for hook in hooks)
            return trusted and ring.facts.leaf is not None and so(ring)

        await until(fits, "the webhooks can be called", PATIENCE_SECONDS)


Story = Callable[[Site], Awaitable[None]]


class CertificateWorld:
    """The Secret and the webhook configurations."""

    program = f"{__name__}:live"
    agent = CONTROLLER_MANAGER

    def __init__(self, config: ClusterConfig, site: Site, story: Story, *, exact: bool) -> None:
        self.config = config
        self._site = site
        self._story = story
        plain = counted if exact else existing
        self.watched = (
            Watched(SECRETS, NAMESPACE, LABELLED, plain),
            *(Watched(kind, label_selector=LABELLED, plain=plain) for kind in KINDS),
        )

    async def live(self, client: Client) -> None:
        await live(client)

    async def story(self) -> None:
        await self._story(self._site)


def counted(obj: Object) -> Object:
    """How many there are of what is chance."""
    body = obj.to_dict()
    if "data" in body:
        body["data"] = {name: base64.b64decode(value).count(b"-----BEGIN") for name, value in body["data"].items()}
    for hook in body.get("webhooks", ()):
        config: dict[str, Any] = hook["clientConfig"]
        config["caBundle"] = base64.b64decode(config.get("caBundle", "")).count(b"-----BEGIN")
    return obj.with_raw(msgspec.json.encode(body))


def existing(obj: Object) -> Object:
    """Whether there are any: who dies with what he alone knew makes them anew, and what was trusted is trusted on.

    Then he is also the last to have written them, else the one before.
    """
    body = counted(obj).to_dict()
    if "data" in body:
        body["data"] = sorted(body["data"])
    for hook in body.get("webhooks", ()):
        hook["clientConfig"]["caBundle"] = bool(hook["clientConfig"]["caBundle"])
    for name in ("generation", "managedFields"):
        body["metadata"].pop(name, None)
    return obj.with_raw(msgspec.json.encode(body))


@dataclass(frozen=True)
class CertificateScenario:
    """A story, and the ring that is there when it begins; without one the Secret is empty."""

    plane: ControlPlane
    name: str
    story: Story
    ring: Callable[[], Keyring] | None = None
    exact: bool = True

    @asynccontextmanager
    async def world(self) -> AsyncIterator[CertificateWorld]:
        async with Client(self.plane.config) as admin:
            await Cluster(admin, NAMESPACE).prepare()
            config = self.plane.config_for(await grant(admin, NAMESPACE))
            site = Site(admin)
            try:
                await site.apply(*site.installed)
                if self.ring is not None:
                    await site.write(self.ring())
                yield CertificateWorld(config, site, self.story, exact=self.exact)
            finally:
                for manifest in site.installed:
                    await admin.delete(manifest.resource, manifest.key.name, manifest.key.namespace)
                with suppress(NotFound):
                    await admin.delete(LEASES, CONTROLLER_LEASE, NAMESPACE)
                await admin.delete_collection(EVENTS, "default")


def aged(*steps: tuple[Step, timedelta]) -> Keyring:
    """A ring of which each step was done so long ago."""
    now, ring = datetime.now(UTC), Keyring(tuple(HOSTS))
    for step, age in steps:
        ring = ring.do(step, ring.cas[-1].id if ring.cas else "", now - age, Durations())
    return ring


def fresh() -> Keyring:
    """One of which nothing is due."""
    return aged((Step.MAKE_AUTHORITY, HOUR), (Step.NOTE_TRUST, HOUR), (Step.MAKE_LEAF, HOUR))


def scenarios(plane: ControlPlane) -> list[CertificateScenario]:
    """All of them."""
    return [
        CertificateScenario(plane, "certificates are made", _made),
        CertificateScenario(plane, "a CA is renewed", _begun, lambda: aged(*RENEWED)),
        CertificateScenario(plane, "a new CA begins to sign", _signs, lambda: aged(*TRUSTED)),
        CertificateScenario(plane, "an old CA is dropped", _dropped, lambda: aged(*REPLACED)),
        CertificateScenario(plane, "a webhook configuration is made anew", _configured_anew, fresh),
        CertificateScenario(plane, "the Secret is garbled", _garbled, fresh, exact=False),
        CertificateScenario(plane, "the Secret is made anew, empty", _emptied, fresh, exact=False),
    ]


async def _made(site: Site) -> None:
    await site.callable_when(lambda ring: len(ring.cas) == 1)


async def _begun(site: Site) -> None:
    await site.callable_when(lambda ring: len(ring.cas) == 2 and ring.facts.authorities[-1].trusted_since is not None)


async def _signs(site: Site) -> None:
    await site.callable_when(lambda ring: len(ring.cas) == 2 and _signer(ring) == ring.cas[-1].id)


async def _dropped(site: Site) -> None:
    await site.callable_when(lambda ring: len(ring.cas) == 1 and _signer(ring) == ring.cas[0].id)


async def _configured_anew(site: Site) -> None:
    await site.callable_when()
    await site.admin.delete(VALIDATING_WEBHOOKS, NAME)
    await site.apply(*(one for one in site.installed if one.resource == VALIDATING_WEBHOOKS))
    await site.callable_when()


async def _garbled(site: Site) -> None:
    await site.callable_when()
    nonsense = dict.fromkeys(("ca.crt", "ca.key", "tls.crt", "tls.key"), base64.b64encode(b"nonsense").decode())
    await site.admin.merge_patch(SECRETS, SECRET, {"data": nonsense}, namespace=NAMESPACE)
    await site.callable_when()


async def _emptied(site: Site) -> None:
    await site.callable_when()
    await site.admin.delete(SECRETS, SECRET, NAMESPACE)
    await site.apply(*(one for one in site.installed if one.resource.kind == SECRETS.kind))
    await site.callable_when()


def _signer(ring: Keyring) -> str:
    leaf = ring.facts.leaf
    return leaf.authority if leaf else ""
