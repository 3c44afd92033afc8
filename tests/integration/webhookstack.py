"""The installed stack on an API server of its own, and controllers that serve its webhooks with their account's rights.

The API server finds a Service by the cluster's network, which is not there: the Service of the webhook is one with
an external name here, and leads to this machine. Everything else is as the operator installs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from nmstate_k8s.api.crd import KINDS, custom_resource_definition
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.apps.run_controller import managed
from nmstate_k8s.apps.settings import ControllerSettings
from nmstate_k8s.core.admission import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from nmstate_k8s.core.certcontroller import SECRETS
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import ApiError
from nmstate_k8s.core.objects import Object
from nmstate_k8s.core.rotation import Durations
from nmstate_k8s.domain.install.kinds import SECRETS as EMPTY_SECRETS
from nmstate_k8s.domain.install.kinds import SERVICES
from nmstate_k8s.domain.install.render import render
from nmstate_k8s.domain.install.stack import InstallSettings, Stack
from nmstate_k8s.domain.kinds import CRDS, NMSTATES, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.ports import free_ports

ACCOUNT = "system:serviceaccount:nmstate:nmstate-controller"
SECRET = "nmstate-certificates"


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Wait until `look` says so; what is not there yet may come."""
    async with asyncio.timeout(seconds):
        while True:
            if await look():
                return
            await asyncio.sleep(0.05)


def policy(name: str, mtu: Any = 1500, **more: Any) -> dict[str, Any]:
    """A policy that selects no node."""
    interface = {"name": "eth1", "type": "ethernet", "state": "up", "mtu": mtu} | more
    return {
        "metadata": {"name": name},
        "spec": {"nodeSelector": {"none": "such"}, "desiredState": {"interfaces": [interface]}},
    }


@dataclass
class Site:
    """A cluster where everything is installed."""

    plane: ControlPlane
    admin: Client
    port: int = field(default_factory=lambda: free_ports(1)[0])
    metrics_port: int = field(default_factory=lambda: free_ports(1)[0])

    async def install(self) -> None:
        """As the operator does."""
        for kind in KINDS:
            await self.admin.apply(CRDS, custom_resource_definition(kind), field_manager="test")
        nmstate = Object.from_dict({"metadata": {"name": "nmstate", "uid": "none"}}, NMSTATES)
        for manifest in render(Stack.of(nmstate, NMStateSpec(), InstallSettings(handler_image="handler:1"))):
            body = {**manifest.body, "metadata": {**manifest.body["metadata"], "ownerReferences": []}}
            if manifest.resource == SERVICES and manifest.key.name == "nmstate-webhook":
                body["spec"] = {"type": "ExternalName", "externalName": "localhost"}
            if manifest.resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
                for hook in body["webhooks"]:
                    hook["clientConfig"]["service"]["port"] = self.port
            await self.admin.apply(manifest.resource, body, field_manager="test")

    async def make_secret(self) -> None:
        """As the operator does when it is missing."""
        await self.admin.apply(
            EMPTY_SECRETS, {"metadata": {"name": SECRET, "namespace": "nmstate"}}, field_manager="test"
        )

    async def secret(self) -> dict[str, str]:
        """What is in it."""
        found = await self.admin.get(SECRETS, SECRET, "nmstate")
        data: dict[str, str] = found.to_dict().get("data", {})
        return data

    @asynccontextmanager
    async def controller(self, durations: Durations | None = None) -> AsyncIterator[Controller]:
        """One that runs, and is ready."""
        (health,) = free_ports(1)
        settings = ControllerSettings(
            namespace="nmstate",
            identity="controller-0",
            health_address=f"127.0.0.1:{health}",
            log_level="info",
            webhook_address=f"localhost:{self.port}",
            metrics_address=f"localhost:{self.metrics_port}",
            durations=durations or Durations(),
        )
        async with Client(self.plane.config_for(ACCOUNT)) as client:
            manager = managed(client, settings)
            running = asyncio.create_task(manager.run(signals=False))
            controller = Controller(health)
            try:
                await eventually(controller.ready)
                yield controller
            finally:
                manager.stop()
                await asyncio.wait({running})
                running.result()

    async def remove(self, *names: str) -> None:
        """Policies that are not needed any more."""
        for name in names:
            await self.admin.delete(POLICIES, name)

    async def judged(self) -> bool:
        """Whether the API server calls us: it refuses what only we refuse."""
        try:
            await self.admin.apply(POLICIES, policy("probe", mtu="many"), field_manager="test", dry_run=True)
        except ApiError:
            return True
        return False


@dataclass(frozen=True)
class Controller:
    """A controller that runs."""

    health: int

    async def readiness(self) -> tuple[int, str]:
        """What the kubelet is told."""
        url = f"http://127.0.0.1:{self.health}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()

    async def ready(self) -> bool:
        """Whether it says that it is."""
        try:
            return (await self.readiness())[0] == 200
        except aiohttp.ClientError:
            return False
