"""The NodeNetworkState of this node: looked at when something says so, written when something changed.

- Woken by netlink (`changed`), by the end of a transaction, a forced refresh or the report's deletion
  (`refresh`), else about once a minute: `domain.nodestate.pace` says when.
- While a transaction runs (`hold`) nobody looks: it has libnmstate for itself, but for a look that it found under
  way. One that touched the node ends with `refresh`; one that did not has nothing to report.
- An unchanged state costs no request. A changed one is sent as the smallest patch, guarded by the time of our
  last write; where that does not hold the whole status is written.
- A state that is too large for the API server is reported as far as it fits, and says what is left out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import structlog

from nmstate_k8s.api.conditions import Condition
from nmstate_k8s.api.meta import FORCE_REFRESH_LABEL
from nmstate_k8s.api.model import to_json
from nmstate_k8s.api.nodestate import nodestate_conditions
from nmstate_k8s.controllers.nodestatewriter import NodeStateWriter
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.errors import ApiError, Invalid, NotFound
from nmstate_k8s.core.informer import Event
from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.protocol import Host
from nmstate_k8s.domain.host.reading import StateReader
from nmstate_k8s.domain.nodestate.fitting import LIMIT_BYTES, fitted
from nmstate_k8s.domain.nodestate.pace import Pace
from nmstate_k8s.domain.nodestate.report import Report, reported, shown

__all__ = ["Measured", "NodeStateReporter", "Watched"]

_log = structlog.get_logger(__name__)
NOW_SECONDS = 0.001
"""A wait shorter than this is none: what timers and floats round away must not become a busy loop."""
CURRENT_STATE = "/status/currentState"
SMALLEST_LIMIT = 10_000
"""Bytes: a server that refuses even so little has another reason."""


class Watched(Protocol):
    """What wakes us, and is told what we see (`domain.host.churn.Churn`)."""

    def looking(self) -> None:
        """A look begins."""

    @property
    def passing(self) -> frozenset[str]:
        """Veths, as pods have them, that came or went since the look began."""

    def stays(self, name: str) -> bool:
        """Whether such a one is still there."""

    def reported(self, names: Iterable[str]) -> None:
        """It ended: these links are reported."""


class Measured(Protocol):
    """Who measures (`controllers.nodemetrics.NodeMetrics`)."""

    def looked(self, cause: str, seconds: float, written: str) -> None:
        """A look ended well; what was written, if anything."""

    def reported(self, size: int, interfaces: int) -> None:
        """The report is so large."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the server has, as we left it."""

    report: Report
    versions: dict[str, str]
    conditions: tuple[Condition, ...]
    written: str
    """When, as it stands there."""


class NodeStateReporter:
    """Runs for ever, as a runnable of the manager."""

    def __init__(
        self,
        host: Host,
        writer: NodeStateWriter,
        *,
        reader: StateReader,
        nmstate_version: str,
        watched: Watched,
        measured: Measured,
        clock: Clock,
    ) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._nmstate_version = nmstate_version
        self._watched = watched
        self._measured = measured
        self._clock = clock
        self._pace = Pace()
        self._woken = asyncio.Event()
        self._held = False
        self._said: _Said | None = None
        """What is reported; None: nothing is known of what the server has."""
        self._limit = LIMIT_BYTES

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
        """A transaction has the host for itself. What changed meanwhile is looked at when it lets go."""
        self._held = held
        if not held:
            self._woken.set()

    def on_event(self, event: Event) -> None:
        """The handler of the informer of our own report."""
        if event.initial:
            return
        if event.new is None:
            self._said = None
            self.refresh()
        elif event.old is not None and _asked(event.old.labels) != _asked(event.new.labels):
            self.refresh()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._until_due()
            begun, cause, failed = self._clock.monotonic(), self._pace.cause, 0
            self._pace = replace(self._pace, urgent=False, changed=None)
            try:
                written = await self._look()
            except (HostError, ApiError) as error:
                failed = self._pace.failed + 1
                _log.warning("the state is not reported", error=str(error), cause=cause, failed=failed)
            else:
                self._measured.looked(cause, self._clock.monotonic() - begun, written)
                if written:
                    _log.debug("the state is reported", cause=cause, written=written)
                    self._pace = replace(self._pace, wrote=self._clock.monotonic())
            now, jitter = self._clock.monotonic(), random.uniform(-1, 1)
            self._pace = replace(self._pace, looked=now, took=now - begun, failed=failed, jitter=jitter)

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

    async def _look(self) -> str:
        """Look, and write what changed. How it was written; empty: there was no need."""
        self._watched.looking()
        state = await self._reader.look()
        whole = reported(state, self._watched.passing)
        self._watched.reported(whole.names)
        if any(self._watched.stays(name) for name in whole.withheld):
            self.changed()
        manager = (await self._host.networkmanager()).version
        versions = {
            "handlerNetworkManagerVersion": manager,
            "handlerNmstateVersion": self._nmstate_version,
            "hostNetworkManagerVersion": manager,
        }
        if self._said is None:
            self._said = await self._learn()
        while True:
            report, left_out = fitted(whole, self._limit)
            try:
                written = await self._tell(report, versions, left_out)
            except ApiError as error:
                self._limit = _lower_limit(error, min(self._limit, report.size))
                _log.warning("the API server takes no report of this size", size=report.size, limit=self._limit)
            else:
                self._measured.reported(report.size, len(report.interfaces))
                return written

    async def _learn(self) -> _Said | None:
        """What the server has, after our start or when it was deleted."""
        there = await self._writer.read()
        if there.state is None:
            return None
        return _Said(shown(there.state), there.versions, there.conditions, there.last_successful_update_time)

    async def _tell(self, report: Report, versions: dict[str, str], left_out: str) -> str:
        """Write what changed, if anything did."""
        said, now = self._said, self._clock.now()
        conditions = nodestate_conditions(left_out, now=now, previous=said.conditions if said else ())
        told = _Said(report, versions, conditions, _stamp(now))
        if said is not None and replace(told, written=said.written) == said:
            return ""
        written = await self._write(said, told)
        if said is None or said.conditions != conditions:
            _log_left_out(said, left_out)
        self._said = told
        return written

    async def _write(self, said: _Said | None, told: _Said) -> str:
        others: dict[str, Any] = dict(told.versions)
        if told.conditions or (said is not None and said.conditions):
            others["conditions"] = [to_json(each) for each in told.conditions]
        if said is not None and said.written:
            changes = said.report.changes(told.report, CURRENT_STATE)
            changes += [{"op": "add", "path": f"/status/{name}", "value": value} for name, value in others.items()]
            try:
                await self._writer.patch(said.written, told.written, changes)
            except (Invalid, NotFound) as error:
                _log.info("the report is not as we left it, writing all of it", error=str(error))
            else:
                return "patch"
        status = {"currentState": told.report.value, "lastSuccessfulUpdateTime": told.written, **others}
        await self._writer.write(status)
        return "whole"


def _lower_limit(error: ApiError, tried: int) -> int:
    """What to try next where the server refused so many bytes.

    :raises ApiError: if that is not why.
    """
    lower = tried * 3 // 4
    if not error.too_large or lower < SMALLEST_LIMIT:
        raise error
    return lower


def _log_left_out(said: _Said | None, left_out: str) -> None:
    if left_out:
        _log.warning("the state is too large for the API server, a part is not reported", left_out=left_out)
    elif said is not None:
        _log.info("the state is reported whole again")


def _asked(labels: Any) -> str | None:
    value: str | None = labels.get(FORCE_REFRESH_LABEL)
    return value


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
