"""The mirrors of a manager, each with an account of what it was told, and an administrator who changes the world."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ApiError
from nmstate_k8s.core.informer import Event, Informer
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Key, Resource
from nmstate_k8s.core.transport import HttpTransport
from nmstate_k8s.testing.counting import CountingTransport

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True)
THINGS = Resource("example.com", "v1", "things", "Thing")
KINDS = (CONFIG_MAPS, SECRETS.as_metadata(), THINGS)
LABELS = {"test": "convergence"}
SELECTOR = "test=convergence"


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

    def __init__(self, client: Client, transport: CountingTransport) -> None:
        self.client = client
        self.asked = transport.asked
        self.answered = transport.answered
        self.manager = Manager(client)
        self.accounts = {kind.plural: Account(self.manager.informer(kind, label_selector=SELECTOR)) for kind in KINDS}

    @classmethod
    @asynccontextmanager
    async def run(cls, config: ClusterConfig) -> AsyncIterator["Mirrors"]:
        """A manager with informers of three kinds, one of them of metadata only."""
        transport = CountingTransport(HttpTransport(config, user_agent="mirrors"))
        async with Client(config, transport=transport, request_timeout=5) as client:
            mirrors = cls(client, transport)
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
