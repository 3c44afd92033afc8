"""An API server with many objects, and who changes them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.testing.apiserver import ControlPlane

__all__ = ["CRD", "World"]

THINGS = Resource("bench.example.com", "v1", "things", "Thing")
AT_ONCE = 16
PARTS = 22
"""So that an object has 5 KB as the API server gives it."""
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.bench.example.com"},
    "spec": {
        "group": THINGS.group,
        "scope": "Cluster",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def thing(n: int) -> dict[str, Any]:
    """One of the objects."""
    parts = [
        {
            "name": f"eth{part}",
            "kind": "ethernet",
            "state": "up",
            "mtu": 1500,
            "addresses": [f"10.{n % 250}.{part}.1/24", f"2001:db8:{n:x}::{part:x}/64"],
            "description": f"part {part} of thing {n}, described at some length for its size",
        }
        for part in range(PARTS)
    ]
    return {"metadata": {"name": name(n)}, "spec": {"version": 1, "parts": parts}}


def name(n: int) -> str:
    return f"thing-{n:05}"


class World:
    """Things, and their versions."""

    def __init__(self, plane: ControlPlane, client: Client, objects: int) -> None:
        self.plane = plane
        self.objects = objects
        self._client = client
        self._version = 1

    async def fill(self, folder: Path) -> float:
        """Make everything; writes a second."""
        file = folder / "crd.json"
        file.write_text(json.dumps(CRD))
        await asyncio.to_thread(self.plane.install_crds, file)
        begun = time.monotonic()
        await self._all(self._make(n) for n in range(self.objects))
        return 2 * self.objects / (time.monotonic() - begun)

    async def bytes_each(self) -> int:
        """The size of an object, as it is told."""
        return len((await self._client.get(THINGS, name(0))).raw)

    async def change(self, count: int) -> None:
        """So many specs have a new version, as fast as may be."""
        self._version += 1
        body = {"spec": {"version": self._version}}
        await self._all(self._client.merge_patch(THINGS, name(n), body) for n in range(count))

    async def touch(self, count: int, a_second: float) -> None:
        """So many specs say when they were sent, one after the other at this pace."""
        begun = time.monotonic()
        sending: set[asyncio.Task[Any]] = set()
        for n in range(count):
            await asyncio.sleep(max(0.0, begun + n / a_second - time.monotonic()))
            body = {"spec": {"sent": time.time_ns()}}
            sending.add(asyncio.create_task(self._client.merge_patch(THINGS, name(n % self.objects), body)))
        await asyncio.gather(*sending)

    async def _make(self, n: int) -> None:
        await self._client.create(THINGS, thing(n))
        await self._client.merge_patch(THINGS, name(n), {"status": {"observed": 1}}, subresource="status")

    async def _all(self, works: Iterable[Coroutine[Any, Any, Any]]) -> None:
        """One after the other, some at once; not all are made before the first has begun."""
        waiting = iter(works)

        async def some() -> None:
            for work in waiting:
                await work

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
