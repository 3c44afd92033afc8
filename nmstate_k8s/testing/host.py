"""A host for tests: NetworkManager's checkpoints and libnmstate's manners, in memory.

- States are JSON as libnmstate's. An apply puts the desired interfaces in the place of those of the same name,
  under a checkpoint; a rollback brings the state before back; a foreign checkpoint refuses an apply.
- `fail(call, error)` makes the next call of that name raise, `on(call, action)` runs something just before one.
- `calls` is what was asked, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.host.boot import milliseconds_since_boot
from nmstate_k8s.domain.host.protocol import Checkpoint, NetworkManager

__all__ = ["FakeHost", "node_state"]

_PATH = "/org/freedesktop/NetworkManager/Checkpoint"


def node_state(*names: str) -> dict[str, Any]:
    """A node with network cards of these names, the first one with an address and the default route."""
    first = names[0] if names else "eth0"
    return {
        "interfaces": [{"name": name, "type": "ethernet", "state": "up", "mtu": 1500} for name in names],
        "routes": {
            "running": [
                {
                    "destination": "0.0.0.0/0",
                    "next-hop-interface": first,
                    "next-hop-address": "192.0.2.1",
                    "table-id": 254,
                }
            ],
            "config": [],
        },
    }


class FakeHost:
    """One node."""

    def __init__(self, state: dict[str, Any] | None = None, *, known_keys: frozenset[str] | None = None) -> None:
        self.state = state or node_state("eth0", "eth1")
        self.owner = ":1.7"
        self.version = "1.52.1"
        self.checkpoints: list[Checkpoint] = []
        self.servers = ["192.0.2.53"]
        self.wanted: list[str] = []
        """What systemd starts with NetworkManager."""
        self.calls: list[str] = []
        self.known_keys = known_keys
        self.clock: int | None = None
        """Milliseconds since boot; None: the machine's own."""
        self._saved: dict[str, dict[str, Any]] = {}
        self._made = 0
        self.started: Callable[[], None] = lambda: None
        """Runs whenever NetworkManager is about to start, as a unit ordered before it."""
        self._said = asyncio.Queue[str | HostError]()
        self._failures: dict[str, list[Exception]] = {}
        self._actions: dict[str, Callable[[], None]] = {}

    def fail(self, call: str, *errors: Exception) -> None:
        """The next calls of this name raise these errors, one each."""
        self._failures.setdefault(call, []).extend(errors)

    def on(self, call: str, action: Callable[[], None]) -> None:
        """Run this before each call of this name."""
        self._actions[call] = action

    def foreign_checkpoint(self, timeout: int, *, created: int | None = None) -> str:
        """Somebody else makes a checkpoint."""
        return self._checkpoint(timeout, self._now() if created is None else created)

    def crash_networkmanager(self) -> None:
        """It starts anew: checkpoints are forgotten, the untested state stays, and paths count from 1 again."""
        self.owner = f":1.{int(self.owner.rpartition('.')[2]) + 1}"
        self.checkpoints.clear()
        self._saved.clear()
        self._made = 0
        self.started()

    async def show(self) -> bytes:
        self._called("show")
        return msgspec.json.encode(self.state)

    async def parse(self, desired: bytes) -> None:
        self._called("parse")
        if self.known_keys is not None:
            for key in _keys(msgspec.json.decode(desired)):
                if key not in self.known_keys:
                    raise DesiredStateError("InvalidArgument", f"unknown field `{key}`")

    async def captures(self, expressions: bytes, current: bytes) -> bytes:
        self._called("captures")
        names = msgspec.json.decode(expressions)
        return msgspec.json.encode({name: msgspec.json.decode(current) for name in names})

    async def validate(self, desired: bytes, current: bytes) -> None:
        self._called("validate")
        there = {entry["name"] for entry in msgspec.json.decode(current)["interfaces"]}
        for entry in msgspec.json.decode(desired).get("interfaces", []):
            if entry.get("type") == "ethernet" and entry.get("name") not in there and entry.get("state") != "absent":
                raise HostError("InvalidArgument", f"Ethernet interface {entry['name']} does not exists")

    async def diff(self, desired: bytes, current: bytes) -> bytes:
        self._called("diff")
        there = {entry["name"]: entry for entry in msgspec.json.decode(current)["interfaces"]}
        changed = [
            entry
            for entry in msgspec.json.decode(desired).get("interfaces", [])
            if {**there.get(entry["name"], {}), **entry} != there.get(entry["name"], {})
        ]
        return msgspec.json.encode({"interfaces": changed})

    async def statistic(self, desired: bytes, current: bytes) -> bytes:
        self._called("statistic")
        return b'{"topology":[],"features":["static-ip"]}'

    async def apply(self, desired: bytes, *, rollback_seconds: int) -> None:
        if self.checkpoints:
            raise HostError("Bug", "CheckpointConflict: Another checkpoint exists")
        before = self.state
        path = self._checkpoint(rollback_seconds, self._now())
        self._saved[path] = before
        there = {entry["name"]: entry for entry in before["interfaces"]}
        for entry in msgspec.json.decode(desired).get("interfaces", []):
            there[entry["name"]] = {**there.get(entry["name"], {}), **entry}
        self.state = {**before, "interfaces": sorted(there.values(), key=lambda entry: str(entry["name"]))}
        try:
            self._called("apply")
        except HostError:
            self._take_back(path)
            raise

    async def commit(self, checkpoint: str) -> None:
        self._called("commit")
        self._known(checkpoint)
        self._forget(checkpoint)

    async def rollback(self, checkpoint: str) -> None:
        self._called("rollback")
        self._known(checkpoint)
        self._take_back(checkpoint)

    async def revert(self, desired: bytes, before: bytes) -> bytes:
        self._called("revert")
        return before

    async def restore(self, state: bytes) -> None:
        self._called("restore")
        self.state = {**self.state, **msgspec.json.decode(state)}

    async def set_hostname(self, *, running: str | None = None, config: str | None = None) -> None:
        self._called("set_hostname")
        names = {key: name for key, name in (("running", running), ("config", config)) if name is not None}
        self.state = {**self.state, "hostname": {**self.state.get("hostname", {}), **names}}

    async def set_alternative_names(self, interfaces: Mapping[str, Mapping[str, bool]]) -> None:
        self._called("set_alternative_names")
        links = [dict(link) for link in self.state.get("interfaces", [])]
        for link in links:
            names = {entry["name"]: True for entry in link.get("alt-names", [])} | dict(
                interfaces.get(link["name"], {})
            )
            link["alt-names"] = [{"name": name} for name, there in sorted(names.items()) if there]
        self.state = {**self.state, "interfaces": links}

    async def take_out(self, remains: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self._called("take_out")
        for key, gone in remains.items():
            parts = self.state.get(key, {})
            left = {part: [each for each in entries if each not in gone] for part, entries in parts.items()}
            self.state = {**self.state, key: left}

    async def restart_networkmanager(self) -> None:
        self._called("restart_networkmanager")
        self.crash_networkmanager()

    async def unit_wants(self, unit: str) -> list[str]:
        self._called("unit_wants")
        return list(self.wanted)

    async def reload_units(self) -> None:
        self._called("reload_units")
        self.wanted = ["nmstate-k8s-restore.service"]

    async def networkmanager(self, *, device_names: bool = False) -> NetworkManager:
        self._called("networkmanager")
        return NetworkManager(self.owner, self.version, tuple(self.checkpoints))

    async def name_servers(self) -> list[str]:
        self._called("name_servers")
        return list(self.servers)

    def say(self, *told: str | HostError) -> None:
        """NetworkManager tells this by itself; an error is the end of the bus."""
        for each in told:
            self._said.put_nowait(each)

    async def signals(self) -> AsyncGenerator[str, None]:
        self._called("signals")
        yield "listening"
        while True:
            told = await self._said.get()
            if isinstance(told, HostError):
                raise told
            yield told

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.clock is not None:
            self.clock += 10
        if name in self._actions:
            self._actions[name]()
        if self._failures.get(name):
            raise self._failures[name].pop(0)

    def _now(self) -> int:
        return milliseconds_since_boot() if self.clock is None else self.clock

    def _checkpoint(self, timeout: int, created: int) -> str:
        self._made += 1
        path = f"{_PATH}/{self._made}"
        self.checkpoints.append(Checkpoint(path, created, ("eth0", "eth1"), timeout))
        return path

    def _known(self, path: str) -> None:
        if path not in {checkpoint.path for checkpoint in self.checkpoints}:
            raise HostError("Bug", f"Manager(InvalidArguments): checkpoint {path} does not exist")

    def _take_back(self, path: str) -> None:
        self.state = self._saved.get(path, self.state)
        self._forget(path)

    def _forget(self, path: str) -> None:
        self.checkpoints = [checkpoint for checkpoint in self.checkpoints if checkpoint.path != path]
        self._saved.pop(path, None)


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in _keys(inner))]
    if isinstance(value, list):
        return [key for inner in value for key in _keys(inner)]
    return []
