"""The example of docs/core.md, as a process of its own, against a real API server."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.testing.apiserver import ControlPlane

ROOT = Path(__file__).parents[2]
GREETINGS = Resource("example.com", "v1", "greetings", "Greeting", namespaced=True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
EVENTS = Resource("events.k8s.io", "v1", "events", "Event", namespaced=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@asynccontextmanager
async def running(plane: ControlPlane) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples/greeting.py"),
        str(plane.kubeconfig),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def text_is(client: Client, text: str) -> None:
    """Return when the ConfigMap says that."""
    found: dict[str, str] = {}
    async with asyncio.timeout(30):
        while found.get("text") != text:
            await asyncio.sleep(0.05)
            try:
                found = (await client.get(CONFIG_MAPS, "hello", "default")).to_dict().get("data", {})
            except NotFound:
                found = {}


async def test_the_example_does_what_it_says(control_plane: ControlPlane, client: Client) -> None:
    control_plane.install_crds(ROOT / "examples/greeting-crd.yaml")
    greeting = {"metadata": {"name": "hello", "namespace": "default"}, "spec": {"name": "world"}}
    await client.create(GREETINGS, greeting)
    async with running(control_plane) as process:
        await text_is(client, "Hello, world!")
        spoilt = {"data": {"text": "changed by hand"}}
        await client.merge_patch(CONFIG_MAPS, "hello", spoilt, namespace="default")
        await text_is(client, "Hello, world!")
        await client.delete(CONFIG_MAPS, "hello", "default")
        await text_is(client, "Hello, world!")
        await client.merge_patch(GREETINGS, "hello", {"spec": {"name": "moon"}}, namespace="default")
        await text_is(client, "Hello, moon!")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    events = (await client.list(EVENTS, "default")).items
    assert "Greeted" in {event.to_dict()["reason"] for event in events}
