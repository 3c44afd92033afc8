"""One cluster for each number of nodes, and what a rollout takes there."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Awaitable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from e2e.kit.shell import ROOT
from hack.benchmarks.rollout.floors import at_once, plain, watched
from nmstate_k8s.api.meta import COMPONENT_LABEL, HANDLER_COMPONENT
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import NAMESPACES
from nmstate_k8s.domain.kinds import ENACTMENTS, NODES, PODS, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.processes import Child, cpu_seconds

__all__ = ["main"]

NAMESPACE = "bench"
PATIENCE_SECONDS = 900.0
COUNTED = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
ENDED = re.compile(r"^apiserver_terminated_watchers_total\{(.*)\} (\S+)$", re.MULTILINE)
OPEN = re.compile(r'^apiserver_longrunning_requests\{(.*verb="WATCH".*)\} (\S+)$', re.MULTILINE)
WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE"}

Figures = dict[str, float]


class World:
    """Nodes and their handlers' pods, as objects."""

    def __init__(self, plane: ControlPlane, client: Client, folder: Path, count: int) -> None:
        self.plane, self.client, self.folder = plane, client, folder
        self.nodes = [f"node-{number:04}" for number in range(count)]

    async def fill(self) -> None:
        """Make everything."""
        for name in (NAMESPACE, "default"):
            if name not in {each.name for each in (await self.client.list(NAMESPACES)).items}:
                await self.client.create(NAMESPACES, {"metadata": {"name": name}})
        await at_once(lambda name=name: self._node(name) for name in self.nodes)  # type: ignore[misc]

    async def _node(self, name: str) -> None:
        await self.client.create(NODES, {"metadata": {"name": name}})
        ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Bench", "message": ""}]}
        await self.client.merge_patch(NODES, name, {"status": ready}, subresource="status")
        pod = {
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {COMPONENT_LABEL: HANDLER_COMPONENT}},
            "spec": {
                "nodeName": name,
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "handler", "image": "handler"}],
            },
        }
        await self.client.create(PODS, pod)

    def start(self, what: str, **more: Any) -> Child:
        """A process of the benchmark."""
        config = self.plane.config
        reach = {
            "server": config.server,
            "ca_file": config.ca_file,
            "cert_file": config.cert_file,
            "key_file": config.key_file,
        }
        file = self.folder / f"{what}.json"
        file.write_text(json.dumps({"config": reach, "folder": str(self.folder), **more}))
        program = ROOT / "hack" / "benchmarks" / "rollout" / "programs.py"
        return Child(what, [sys.executable, program, what, file], self.folder / f"{what}.log")

    def cpu(self, nodes: Child, controller: Child) -> Figures:
        """Seconds that each has used so far."""
        return {
            "controller": cpu_seconds(controller.pid),
            "nodes": cpu_seconds(nodes.pid),
            "apiserver": self.plane.cpu_seconds(),
            "etcd": self.plane.etcd.cpu_seconds(),
            "benchmark": time.process_time(),
        }

    async def watches(self) -> float:
        """Watches of enactments that are open."""
        text = (await self.client.request("GET", "/metrics", accept="text/plain")).decode()
        return sum(float(value) for labels, value in OPEN.findall(text) if ENACTMENTS.plural in labels)

    async def ended_watches(self) -> float:
        """How many watches of enactments the API server ended so far because it could not keep up with them."""
        text = (await self.client.request("GET", "/metrics", accept="text/plain")).decode()
        return sum(float(value) for labels, value in ENDED.findall(text) if ENACTMENTS.plural in labels)

    async def writes(self) -> tuple[float, float]:
        """Requests so far that wrote our objects, and events."""
        text = (await self.client.request("GET", "/metrics", accept="text/plain")).decode()
        ours = events = 0.0
        for labels, value in COUNTED.findall(text):
            label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if label["verb"] in WRITES and label["code"].startswith("2"):
                ours += float(value) * (label["group"] == "nmstate.io")
                events += float(value) * (label["resource"] == "events")
        return ours, events


async def rollout(plane: ControlPlane, folder: Path, count: int) -> Figures:
    """Everything once."""
    async with Client(plane.config) as client:
        world = World(plane, client, folder, count)
        await world.fill()
        nodes = world.start("nodes", nodes=world.nodes)
        controller = world.start("controller")
        try:
            return await _measured(world, nodes, controller)
        finally:
            controller.stop()
            nodes.stop()


async def _measured(world: World, nodes: Child, controller: Child) -> Figures:
    client, count = world.client, len(world.nodes)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (world.folder / "ready").exists():
            assert nodes.running, nodes.log.read_text()
            await asyncio.sleep(0.1)
        while await world.watches() < count:  # noqa: ASYNC110 - only the API server knows
            await asyncio.sleep(0.5)
        await _apply(client, "warm-up", {"nodeSelector": {"no": "node"}}, "Ignored")
    idle = _resident(controller, "VmRSS")
    rate, cost = await floor(world, nodes, controller, plain(client))
    watched_rate, watched_cost = await floor(world, nodes, controller, watched(client, world.nodes))
    before, used, ended = await world.writes(), world.cpu(nodes, controller), await world.ended_watches()
    state = {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1500}]}
    begun = time.monotonic()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await _apply(client, "bench", {"maxUnavailable": "50%", "desiredState": state}, "Available")
    wall = time.monotonic() - begun
    after, spent = await world.writes(), world.cpu(nodes, controller)
    ours, events = (after[number] - before[number] for number in range(2))
    cost_now = (sum(spent.values()) - sum(used.values())) / (ours + events) * 1000
    return {
        "nodes": count,
        "wall_seconds": wall,
        "writes_per_node": ours / count,
        "events_per_node": events / count,
        "floor_rate": rate,
        "wall_over_floor": wall / ((ours + events) / rate),
        "wall_over_floor_without_events": wall / (ours / rate),
        "watched_floor_rate": watched_rate,
        "wall_over_watched_floor": wall / ((ours + events) / watched_rate),
        "floor_cpu_ms": cost,
        "watched_floor_cpu_ms": watched_cost,
        "cpu_ms_a_write": cost_now,
        "cpu_over_floor": cost_now / cost,
        "cpu_over_watched_floor": cost_now / watched_cost,
        "watches_ended_per_node": (await world.ended_watches() - ended) / count,
        "controller_rss_mb": _resident(controller, "VmHWM"),
        "controller_idle_rss_mb": idle,
        **{f"{name}_cpu_seconds": seconds - used[name] for name, seconds in spent.items()},
    }


async def floor(
    world: World, nodes: Child, controller: Child, measured: Awaitable[tuple[float, int]]
) -> tuple[float, float]:
    """Writes a second of a floor, and the milliseconds of CPU that one costs all processes together."""
    before = sum(world.cpu(nodes, controller).values())
    rate, writes = await measured
    return rate, (sum(world.cpu(nodes, controller).values()) - before) / writes * 1000


async def _apply(client: Client, name: str, spec: dict[str, Any], wanted: str) -> None:
    """Write a policy and wait for its condition."""
    made = await client.create(POLICIES, {"metadata": {"name": name}, "spec": spec})
    version, there = made.metadata.resource_version, _true(made)
    while wanted not in there:
        async with aclosing(client.watch(POLICIES, resource_version=version)) as events:
            async for event in events:
                version = event.object.metadata.resource_version
                if event.type in ("ADDED", "MODIFIED") and event.object.name == name:
                    there = _true(event.object)
                if wanted in there:
                    break


def _true(policy: Object) -> list[str]:
    conditions = policy.to_dict().get("status", {}).get("conditions", [])
    return [each["type"] for each in conditions if each["status"] == "True"]


def _resident(process: Child, which: str) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(which)).split()[1]) / 1024


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="hack/bench rollout", description=__import__(__package__).__doc__)
    parser.add_argument("--nodes", default="100,300,1000", help="so many, one after the other (100,300,1000)")
    parser.add_argument("--rounds", type=int, default=1, help="of each (1)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    found: list[Figures] = []
    for count in map(int, options.nodes.split(",")):
        for _ in range(options.rounds):
            with ControlPlane.start() as plane, tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                plane.install_crds(ROOT / "manifests" / "crds")
                figures = asyncio.run(rollout(plane, Path(folder), count))
            found.append(figures)
            print("  ".join(f"{name} {value:.4g}" for name, value in figures.items()), file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(found, indent=1))
    return 0
