"""The NodeNetworkState of this node: looked at when something says so, written when something changed.

- Woken by netlink (`changed`), by the end of a transaction, a forced refresh or the report's deletion
  (`refresh`), else about once a minute: `domain.nodestate.pace` says when.
- While a transaction runs (`hold`) nobody looks: it has libnmstate for itself, and ends with `refresh`.
- An unchanged state costs no request. A changed one is sent as the smallest patch, guarded by the time of our
  last write; where that does not hold the whole status is written.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import structlog

from nmstate_k8s.api.meta import FORCE_REFRESH_LABEL
from nmstate_k8s.controllers.nodestatewriter import NodeStateWriter
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.errors import ApiError, Invalid, NotFound
from nmstate_k8s.core.informer import Event
from nmstate_k8s.domain.host.errors import HostError
from nmstate_k8s.domain.host.protocol import Host
from nmstate_k8s.domain.nodestate.filter import filtered
from nmstate_k8s.domain.nodestate.pace import Pace
from nmstate_k8s.domain.nodestate.patch import operations

__all__ = ["NodeStateReporter"]

_log = structlog.get_logger(__name__)
RETRY_SECONDS = 5.0
NOW_SECONDS = 0.001
"""A wait shorter than this is none: what timers and floats round away must not become a busy loop."""


class NodeStateReporter:
    """Runs for ever, as a runnable of the manager."""

    def __init__(self, host: Host, writer: NodeStateWriter, *, nmstate_version: str, clock: Clock) -> None:
        self._host = host
        self._writer = writer
        self._nmstate_version = nmstate_version
        self._clock = clock
        self._pace = Pace()
        self._woken = asyncio.Event()
        self._held = False
        self._state: bytes | None = None
        """The reported state, as sorted JSON; None: nothing is known of what the server has."""
        self._versions: dict[str, str] = {}
        self._written = ""

    def changed(self) -> None:
        """Something in the network changed."""
        if self._pace.changed is None:
            self._pace = replace(self._pace, changed=self._clock.monotonic())
            self._woken.set()

    def refresh(self) -> None:
        """Look now."""
        self._pace = replace(self._pace, urgent=True)
        self._woken.set()

    def hold(self, held: bool) -> None:
        """A transaction has the host for itself; at its end the state is looked at."""
        self._held = held
        if not held:
            self.refresh()

    def on_event(self, event: Event) -> None:
        """The handler of the informer of our own report."""
        if event.initial:
            return
        if event.new is None:
            self._state = None
            self.refresh()
        elif event.old is not None and _asked(event.old.labels) != _asked(event.new.labels):
            self.refresh()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._until_due()
            begun = self._clock.monotonic()
            self._pace = replace(self._pace, urgent=False, changed=None)
            try:
                if await self._look():
                    self._pace = replace(self._pace, wrote=self._clock.monotonic())
            except (HostError, ApiError) as error:
                _log.warning("the state is not reported", error=str(error), again_in=RETRY_SECONDS)
                await self._clock.sleep(RETRY_SECONDS)
                self._pace = replace(self._pace, urgent=True)
            now = self._clock.monotonic()
            self._pace = replace(self._pace, looked=now, took=now - begun, jitter=random.uniform(-1, 1))

    async def _until_due(self) -> None:
        while True:
            self._woken.clear()
            left = self._pace.due() - self._clock.monotonic()
            if left < NOW_SECONDS and not self._held:
                return
            try:
                async with asyncio.timeout(None if self._held else left):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _look(self) -> bool:
        """Look, and write what changed. Whether anything was written."""
        state = filtered(await self._host.show())
        manager = (await self._host.networkmanager()).version
        versions = {
            "handlerNetworkManagerVersion": manager,
            "handlerNmstateVersion": self._nmstate_version,
            "hostNetworkManagerVersion": manager,
        }
        if self._state is None:
            await self._learn()
        encoded = msgspec.json.encode(state, order="sorted")
        if encoded == self._state and versions == self._versions:
            return False
        moment = _stamp(self._clock.now())
        await self._write(state, versions, moment)
        self._state, self._versions, self._written = encoded, versions, moment
        return True

    async def _learn(self) -> None:
        """What the server has, after our start or when it was deleted."""
        status = await self._writer.read()
        state = status.pop("currentState", None)
        self._state = None if state is None else msgspec.json.encode(state, order="sorted")
        self._written = str(status.get("lastSuccessfulUpdateTime", ""))
        self._versions = {name: str(value) for name, value in status.items() if name.endswith("Version")}

    async def _write(self, state: dict[str, Any], versions: dict[str, str], moment: str) -> None:
        if self._state is not None and self._written:
            changes = operations(msgspec.json.decode(self._state), state, "/status/currentState")
            changes += [{"op": "add", "path": f"/status/{name}", "value": value} for name, value in versions.items()]
            try:
                await self._writer.patch(self._written, moment, changes)
            except (Invalid, NotFound) as error:
                _log.info("the report is not as we left it, writing all of it", error=str(error))
            else:
                return
        await self._writer.write({"currentState": state, "lastSuccessfulUpdateTime": moment, **versions})


def _asked(labels: Any) -> str | None:
    value: str | None = labels.get(FORCE_REFRESH_LABEL)
    return value


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
