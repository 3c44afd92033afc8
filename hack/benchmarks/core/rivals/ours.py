"""The benchmark's controller on nmstate_k8s.core."""

import argparse
import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import msgspec
import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller, Result
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Key, Resource

THINGS = Resource("bench.example.com", "v1", "things", "Thing")


class Spec(msgspec.Struct, frozen=True):
    version: int
    sent: int = 0


class Status(msgspec.Struct, frozen=True):
    observed: int = 0


class Thing(msgspec.Struct, frozen=True):
    spec: Spec
    status: Status = Status()


def say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, "at": time.time_ns(), **fields}), flush=True)


class Tally:
    """What there is to tell."""

    def __init__(self, manager: Manager, options: argparse.Namespace) -> None:
        self._client = manager.client
        self._store = manager.informer(THINGS).store
        self._options = options
        self._seen: set[str] = set()
        self._sent: dict[str, int] = {}
        self._delays: list[int] = []
        self._patched = 0
        self._since = time.time_ns()

    async def reconcile(self, key: Key) -> Result | None:
        now = time.time_ns()
        found = self._store.get(key)
        if found is None:
            return None
        thing = found.view(Thing)
        self._note(key.name, thing.spec.sent, now)
        if thing.spec.version != thing.status.observed:
            body = {"status": {"observed": thing.spec.version}}
            await self._client.merge_patch(THINGS, key.name, body, subresource="status")
            self._patched += 1
            if self._patched == self._options.changes:
                say("patched")
        return None

    def _note(self, name: str, sent: int, now: int) -> None:
        if name not in self._seen:
            self._seen.add(name)
            if len(self._seen) == self._options.objects:
                say("reconciled")
        if sent > self._sent.get(name, self._since):
            self._sent[name] = sent
            self._delays.append(now - sent)
            if len(self._delays) == self._options.samples:
                say("sampled", delays=self._delays)


def read_options() -> tuple[argparse.Namespace, ClusterConfig]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig-file", type=Path)
    for name in ("objects", "changes", "samples", "workers"):
        parser.add_argument(f"--{name}", type=int)
    options = parser.parse_args()
    kubeconfig = json.loads(options.kubeconfig_file.read_text())
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    config = ClusterConfig(
        cluster["server"],
        ca_file=cluster["certificate-authority"],
        cert_file=user["client-certificate"],
        key_file=user["client-key"],
    )
    return options, config


async def main(options: argparse.Namespace, config: ClusterConfig) -> None:
    async with Client(config) as client:
        manager = Manager(client)
        tally = Tally(manager, options)
        controller = Controller("thing", tally, workers=options.workers)
        controller.watch(manager.informer(THINGS))
        manager.add(controller)
        asyncio.get_running_loop().add_reader(sys.stdin, lambda: sys.stdin.buffer.read1(1) or manager.stop())
        await manager.run()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(*read_options()))
