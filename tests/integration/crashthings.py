"""Two small controllers for the crash plans' own test: one that a crash confuses, and one that it does not.

Each ConfigMap labelled as a wish is to be granted by one further ConfigMap, and marked as granted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.errors import AlreadyExists
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Key, Resource
from nmstate_k8s.testing.crashaudit import Watched
from tests.integration.rolloutkit import until

CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
NAMESPACE: Final = "default"
LABEL: Final = "crash-wish"


class Granter:
    """Grants wishes, under a name that follows from the wish; or, carelessly, from how many were granted before."""

    def __init__(self, client: Client, wishes: Informer, *, careless: bool) -> None:
        self._client = client
        self._store = wishes.store
        self._careless = careless

    async def reconcile(self, key: Key) -> None:
        wish = self._store.get(key)
        if wish is None or wish.labels[LABEL] != "open":
            return
        granted = sum(each.labels[LABEL] == "gift" for each in self._store.list())
        name = f"gift-{granted + 1}" if self._careless else f"gift-for-{key.name}"
        with suppress(AlreadyExists):
            await self._client.create(CONFIG_MAPS, _config_map(name, "gift"))
        patch = {"metadata": {"labels": {LABEL: "granted"}}}
        await self._client.merge_patch(CONFIG_MAPS, key.name, patch, namespace=NAMESPACE)


async def careless(client: Client) -> None:
    """What it did is known to itself alone until the second write."""
    await _run(client, careless=True)


async def careful(client: Client) -> None:
    """What it did is found again by its name."""
    await _run(client, careless=False)


async def _run(client: Client, *, careless: bool) -> None:
    manager = Manager(client)
    wishes = manager.informer(CONFIG_MAPS, namespace=NAMESPACE, label_selector=LABEL)
    controller = Controller("granter", Granter(client, wishes, careless=careless))
    controller.watch(wishes)
    manager.add(controller)
    await manager.run(signals=False)


def _config_map(name: str, label: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": NAMESPACE, "labels": {LABEL: label}}}


class _World:
    agent = "granter"
    watched = (Watched(CONFIG_MAPS, NAMESPACE, LABEL),)

    def __init__(self, config: ClusterConfig, admin: Client, program: str) -> None:
        self.config = config
        self.program = f"{__name__}:{program}"
        self._live = {"careless": careless, "careful": careful}[program]
        self._admin = admin

    async def live(self, client: Client) -> None:
        await self._live(client)

    async def story(self) -> None:
        await self._admin.create(CONFIG_MAPS, _config_map("wish", "open"))

        async def granted() -> bool:
            return (await self._admin.get(CONFIG_MAPS, "wish", NAMESPACE)).labels[LABEL] == "granted"

        await until(granted, "the wish is granted")


@dataclass(frozen=True)
class Wish:
    """A wish is made, and waited for."""

    config: ClusterConfig
    program: str
    """`careless` or `careful`"""

    @property
    def name(self) -> str:
        return f"a wish is granted by the {self.program} one"

    @asynccontextmanager
    async def world(self) -> AsyncIterator[_World]:
        async with Client(self.config) as admin:
            try:
                yield _World(self.config, admin, self.program)
            finally:
                await admin.delete_collection(CONFIG_MAPS, NAMESPACE, label_selector=LABEL)
