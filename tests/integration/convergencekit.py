"""The mirrors of a manager, each with an account of what it was told, and an administrator who changes the world."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ApiError
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Key, Resource
from nmstate_k8s.core.transport import HttpTransport
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.counting import CountingTransport
from nmstate_k8s.testing.faultproxy import FaultProxy

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True)
THINGS = Resource("example.com", "v1", "things", "Thing")
KINDS = (CONFIG_MAPS, SECRETS.as_metadata(), THINGS)
STREAMED = CONFIG_MAPS
"""Its list comes with its watch."""
LABELS = {"test": "convergence"}
SELECTOR = "test=convergence"
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
_SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD = {
    "apiVersion": CRDS.api_version,
    "kind": CRDS.kind,
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Cluster",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _SCHEMA}}],
    },
}


def install(plane: ControlPlane) -> None:
    """Make our own kind served."""
    file = plane.kubeconfig.parent / "things.yaml"
    file.write_text(json.dumps(CRD))
    plane.install_crds(file)


def figure(request: pytest.FixtureRequest, name: str, value: object) -> None:
    """What a test found, for the report of `hack/convergence`."""
    request.node.user_properties.append((name, value))


@asynccontextmanager
async def mirrored(
    plane: ControlPlane, *, port: int = 0, proxied: bool = False
) -> "AsyncIterator[tuple[World, Mirrors]]":
    """In step; `port`: where the mirrors find the API server; `proxied`: or through a proxy that counts requests."""
    async with AsyncExitStack() as stack:
        world = World(await stack.enter_async_context(Client(plane.config)))
        await world.change("first")
        config = replace(plane.config, server=f"https://127.0.0.1:{port or plane.port}")
        proxy = await stack.enter_async_context(FaultProxy.run(plane.config)) if proxied else None
        mirrors = await stack.enter_async_context(Mirrors.run(proxy.config if proxy else config, proxy))
        await mirrors.converge(world)
        yield world, mirrors


class Account:
    """What the handlers of one mirror know of the world, from what they were told alone."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self.known: dict[Key, tuple[str, str]] = {}
        self.deletions: list[Key] = []
        self.wrong: list[str] = []
        informer.add_handler(self._hear)

    def _hear(self, event: Event) -> None:
        known = self.known.get(event.key)
        if (event.old is None) != (known is None):
            self.wrong.append(f"{event.key}: known {known}, told {event.old} -> {event.new}")
        if event.new is None:
            self.known.pop(event.key, None)
            self.deletions.append(event.key)
            return
        if known is not None and known[0] != event.new.uid:
            self.wrong.append(f"{event.key} is another object, and its deletion was not told")
        self.known[event.key] = (event.new.uid, event.new.metadata.resource_version)


class Mirrors:
    """Use `run`."""

    def __init__(self, client: Client, transport: CountingTransport, proxy: FaultProxy | None) -> None:
        self.client = client
        self._proxy = proxy
        self.asked = transport.asked
        self.answered = transport.answered
        self.manager = Manager(client)
        self.accounts = {kind.plural: Account(self._informer(kind)) for kind in KINDS}

    def _informer(self, kind: Resource) -> Informer:
        return self.manager.informer(kind, label_selector=SELECTOR, streaming_list=kind is STREAMED)

    @classmethod
    @asynccontextmanager
    async def run(cls, config: ClusterConfig, proxy: FaultProxy | None = None) -> AsyncIterator["Mirrors"]:
        """A manager with informers of three kinds: one of metadata, one with a streaming list. `proxy`: counts, too."""
        transport = CountingTransport(HttpTransport(config, user_agent="mirrors"))
        async with Client(config, transport=transport, request_timeout=5) as client:
            mirrors = cls(client, transport, proxy)
            running = asyncio.create_task(mirrors.manager.run(signals=False))
            try:
                for account in mirrors.accounts.values():
                    await account.informer.wait_for_sync()
                mirrors.forget_counts()
                yield mirrors
                assert not running.done(), "the manager has ended"
            finally:
                mirrors.manager.stop()
                await running

    def forget_counts(self) -> None:
        """Count anew from here."""
        self.asked.clear()
        self.answered.clear()
        if self._proxy is not None:
            self._proxy.counts.clear()

    @property
    def requests(self) -> int:
        """How many there were, as we count them or as the proxy does, whichever are more."""
        return max(self.asked.total(), 0 if self._proxy is None else self._proxy.requests)

    @property
    def failures(self) -> int:
        """How many requests were not answered, or refused, or are under way."""
        return self.asked.total() - self.answered.total()

    def check(self, *, lists: int, requests: int) -> None:
        """Of each kind no more than so many lists, and of everything no more than so many requests."""
        assert all(count <= lists for count in self.lists().values()), self.lists()
        assert self.requests <= requests, self.asked

    def lists(self) -> Counter[str]:
        """How many lists came through since the counts were forgotten, by kind."""
        return Counter({plural: n for (verb, plural), n in self.answered.items() if verb == "list"})

    async def in_step(self, world: "World") -> bool:
        """Whether every store and every account is what the server has."""
        try:
            there = {kind.plural: await world.look(kind) for kind in KINDS}
        except ApiError:
            return False
        return all(
            account.known == there[plural]
            and {obj.key: (obj.uid, obj.metadata.resource_version) for obj in account.informer.store.list()}
            == there[plural]
            for plural, account in self.accounts.items()
        )

    async def converge(self, world: "World", seconds: float = 60) -> None:
        """
        :raises TimeoutError: if a mirror is not in step within so many seconds, saying which.
        """
        try:
            async with asyncio.timeout(seconds):
                while not await self.in_step(world):  # noqa: ASYNC110 - the world has no event to wait for
                    await asyncio.sleep(0.1)
        except TimeoutError:
            there = {kind.plural: await world.look(kind) for kind in KINDS}
            told = {
                plural: f"{account.known} at {account.informer.version}, not {there[plural]}"
                for plural, account in self.accounts.items()
                if account.known != there[plural]
            }
            raise TimeoutError(f"not in step after {seconds:g} s: {told}") from None
        wrong = {plural: account.wrong for plural, account in self.accounts.items() if account.wrong}
        assert not wrong, wrong


class World:
    """The administrator: a client of his own, straight to the server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._n = 0

    async def look(self, kind: Resource) -> dict[Key, tuple[str, str]]:
        """What the server has of ours."""
        found = await self.client.list(kind.as_metadata(), label_selector=SELECTOR)
        return {obj.key: (obj.uid, obj.metadata.resource_version) for obj in found.items}

    async def put(self, kind: Resource, name: str) -> None:
        """Make or change an object."""
        self._n += 1
        body: dict[str, Any] = {"metadata": {"name": name, "labels": LABELS, "annotations": {"n": str(self._n)}}}
        if kind.namespaced:
            body["metadata"]["namespace"] = "default"
        await self.client.apply(kind, body, field_manager="test")

    async def delete(self, kind: Resource, name: str) -> None:
        await self.client.delete(kind, name, "default" if kind.namespaced else "")

    async def change(self, round_: str) -> None:
        """Of each kind: one that is new, one that is changed, one that is gone, one made anew under its name."""
        new = f"new-{round_.replace(' ', '-')}"
        for kind in KINDS:
            for name in ("stays", "changes", "anew"):
                await self.put(kind, name)
            await self.put(kind, new)
            await self.delete(kind, "anew")
            await self.put(kind, "anew")
            for key in await self.look(kind):
                if key.name.startswith("new-") and key.name != new:
                    await self.delete(kind, key.name)
