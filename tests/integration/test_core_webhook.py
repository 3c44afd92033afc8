"""Webhooks that a real API server calls: what they answer comes to the user, certificates change under the calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from nmstate_k8s.core.admission import (
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    AdmissionRequest,
    Decision,
    allow,
    deny,
    patched,
)
from nmstate_k8s.core.certcontroller import (
    SECRETS,
    Callers,
    CertificateReconciler,
    serve_from,
)
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.errors import Invalid
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Key, Object, Resource
from nmstate_k8s.core.rotation import Durations
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.core.webhook import Webhook, WebhookServer
from nmstate_k8s.testing.clock import until

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace")
NAME = "core-webhook"
SECRET = Key("default", NAME)


async def judge(request: AdmissionRequest) -> Decision:
    """Refuses those whose data say so, warns of others, fills in what is missing."""
    assert request.new is not None
    data = request.new.to_dict().get("data", {})
    if data.get("say") == "no":
        return deny("the data say no", code=422, reason="Invalid")
    if request.new.labels.get("seen"):
        return allow(warnings=[f"{request.name} was seen already"])
    labels = {**request.new.labels, "seen": "yes"}
    return patched([{"op": "add", "path": "/metadata/labels", "value": labels}])


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Wait until `look` says so."""
    async with asyncio.timeout(seconds):
        while True:
            if await look():
                return
            await asyncio.sleep(0.05)


def config_map(name: str, **data: str) -> dict[str, Any]:
    """A small object that the webhook is asked about."""
    return {"metadata": {"name": name, "namespace": "default", "labels": {"test": NAME}}, "data": data}


class Hooks:
    """A process with the webhook, its certificates, and an API server that calls it."""

    def __init__(self, client: Client, durations: Durations) -> None:
        self.client = client
        self.metrics = Metrics()
        self.manager = Manager(client, metrics=self.metrics)
        self.tls = ServerTls(metrics=self.metrics)
        self.callers = Callers()
        hook = Webhook("/judge", judge, "deny")
        self.server = WebhookServer(
            "127.0.0.1:0",
            self.tls,
            [hook],
            server_name="127.0.0.1",
            callers=self.callers,
            metrics=self.metrics,
        )
        secrets = self.manager.informer(
            SECRETS, namespace=SECRET.namespace, field_selector=f"metadata.name={SECRET.name}"
        )
        secrets.add_handler(serve_from(SECRET, self.tls))
        reconciler = CertificateReconciler(
            client,
            SECRET,
            hosts=["127.0.0.1"],
            configurations=[(MUTATING_WEBHOOKS, NAME), (VALIDATING_WEBHOOKS, NAME)],
            durations=lambda: durations,
        )
        controller = Controller("certificates", reconciler, metrics=self.metrics)
        controller.watch(secrets)
        for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
            informer = self.manager.informer(kind, field_selector=f"metadata.name={NAME}")
            self.callers.follow(informer, NAME)
            controller.watch(informer)
        self.manager.add_server(self.server)
        self.manager.add(controller)

    async def install(self) -> None:
        """The configurations, as an operator applies them: without a bundle, again and again."""
        for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
            hook = {
                "name": "judge.example.com",
                "clientConfig": {"url": f"https://127.0.0.1:{self.server.port}/judge"},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 10,
                "objectSelector": {"matchLabels": {"test": NAME}},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["configmaps"],
                        "operations": ["CREATE", "UPDATE"],
                    }
                ],
            }
            body = {"metadata": {"name": NAME}, "webhooks": [hook]}
            await self.client.apply(kind, body, field_manager="operator")

    async def ready(self) -> bool:
        """Whether it says that it can be called."""
        return await self.server.check() == ""

    async def until_ready(self) -> None:
        """Wait for that."""
        await eventually(self.ready)

    @property
    def loads(self) -> float:
        """How many times a certificate was loaded."""
        return self.metrics.registry.get_sample_value("certwatcher_read_certificate_total") or 0.0

    async def secret(self) -> Object:
        """What is there now."""
        return await self.client.get(SECRETS, SECRET.name, SECRET.namespace)


@pytest_asyncio.fixture
async def hooks(client: Client, request: pytest.FixtureRequest) -> AsyncIterator[Hooks]:
    """Running, installed, ready."""
    hooks = Hooks(client, getattr(request, "param", Durations()))
    running = asyncio.create_task(hooks.manager.run(signals=False))
    try:
        await asyncio.wait_for(hooks.server.ready.wait(), 30)
        await hooks.install()
        await hooks.until_ready()
        yield hooks
    finally:
        hooks.manager.stop()
        await asyncio.wait({running})
        for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
            await client.delete(kind, NAME)
        await client.delete(SECRETS, SECRET.name, SECRET.namespace)
        await client.delete_collection(CONFIG_MAPS, "default", label_selector=f"test={NAME}")


async def called(client: Client, name: str) -> bool:
    """Whether the API server asks us: it takes up a configuration a moment after it was written."""
    made = await client.apply(CONFIG_MAPS, config_map(name), field_manager="t", dry_run=True)
    return made.labels.get("seen") == "yes"


async def until_called(client: Client) -> None:
    """Wait for that."""
    await eventually(lambda: called(client, "probe"))


async def test_what_the_webhook_says_comes_to_who_writes(hooks: Hooks, client: Client) -> None:
    """Changes, refusals with code and reason, warnings."""
    await until_called(client)
    with capture_logs() as logs:
        made = await client.create(CONFIG_MAPS, config_map("changed"))
    assert made.labels == {"test": NAME, "seen": "yes"}
    with pytest.raises(Invalid, match="the data say no"):
        await client.create(CONFIG_MAPS, config_map("refused", say="no"))
    told = {each["warning"] for each in logs if each["event"] == "the API server warns"}
    assert told == {"changed was seen already"}, "those who validate see what those who mutate have made"


async def test_applying_the_configuration_again_keeps_the_bundle(hooks: Hooks, client: Client) -> None:
    """Who installs it does not name the bundle, and does not take it away."""
    await until_called(client)
    before = [await client.get(kind, NAME) for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
    await hooks.install()
    after = [await client.get(kind, NAME) for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
    assert [each.metadata.resource_version for each in before] == [each.metadata.resource_version for each in after]
    assert all(b'"caBundle"' in each.raw for each in after)


async def test_a_deleted_configuration_is_called_again(hooks: Hooks, client: Client) -> None:
    """As soon as it has the bundle, and not ready before."""
    await client.delete(VALIDATING_WEBHOOKS, NAME)
    await until(lambda: b"" in hooks.callers().values())
    assert not await hooks.ready()
    await hooks.install()
    await hooks.until_ready()
    await until_called(client)


@pytest.mark.parametrize("damage", ["deleted", "garbled", "emptied", "immutable"])
async def test_a_damaged_secret_is_healed(hooks: Hooks, client: Client, damage: str) -> None:
    """With what was in it; nobody who calls meanwhile notices."""
    before = (await hooks.secret()).to_dict()["data"]
    with capture_logs():
        if damage == "deleted":
            await client.delete(SECRETS, SECRET.name, SECRET.namespace)
        else:
            data = dict.fromkeys(before, "" if damage == "emptied" else "Z2FyYmFnZQ==")
            patch = {"data": data, "immutable": damage == "immutable"}
            await client.merge_patch(SECRETS, SECRET.name, patch, namespace=SECRET.namespace)

        async def healed() -> bool:
            found = (await client.list(SECRETS, "default", field_selector=f"metadata.name={SECRET.name}")).items
            return bool(found) and found[0].to_dict().get("data") == before

        healing = asyncio.create_task(eventually(healed))
        while not healing.done():
            assert await called(client, "meanwhile")
        await healing


FAST = Durations(*(timedelta(seconds=each) for each in (6, 3, 2, 3)))
"""A CA every 6 s, a certificate every 2 s; news may take 3 s."""


@pytest.mark.parametrize("hooks", [FAST], indirect=True)
async def test_no_call_fails_while_certificates_are_rotated(hooks: Hooks, client: Client) -> None:
    """A thousand calls and twenty rotations, CAs too, with a configuration that says that a failure is a no.

    The call after a rotation is the last of its connection, so each certificate is shown in a handshake.
    """
    await until_called(client)
    seen: set[bytes] = set()
    bundles: set[str] = set()
    calls = 0
    while calls < 1000 or len(seen) < 21:
        seen.add(hooks.tls.certificate)
        bundles.add(str(hooks.callers()))
        assert await called(client, f"call-{calls}")
        calls += 1
    assert len(bundles) >= 5, "CAs were rotated as well"
    print(f"{calls} calls, {len(seen) - 1} rotations, {len(bundles)} bundles: no call failed")
