"""What people see under `kubectl events`: told once, counted when it repeats.

* `event` never waits and never fails: the event is queued and written by `run` (add the recorder to the
  manager). A full queue or a flood about one object drops events, which is logged and counted.
* The same thing about the same object within `SERIES_SECONDS` is one Event with a series: its count is
  written at most every `FLUSH_SECONDS`, and when the recorder ends.
* When the server is away, or we have no way to it, events wait; the order about one object is kept.
* At most `MAX_SERIES` series are remembered. Beyond that the one that was quiet the longest is forgotten: should it
  happen again, it is an Event of its own, and of its count what was not written is lost.
"""

import asyncio
import uuid
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.clock import micro_time
from nmstate_k8s.core.errors import AlreadyExists, ApiError, CoreError, Throttled, Unavailable
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.core.printable import printable
from nmstate_k8s.core.ratelimit import Backoff, TokenBucket

__all__ = ["BURST", "EVENTS", "REFILL_A_SECOND", "EventRecorder"]

EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event", namespaced=True)
SERIES_SECONDS: Final = 360.0
FLUSH_SECONDS: Final = 10.0
MAX_WAITING: Final = 1000
MAX_SERIES: Final = 4096
"""As many as client-go's recorder remembers."""
MAX_NOTE: Final = 1024
BURST: Final = 25
REFILL_A_SECOND: Final = 1 / 30
"""A single object may bring up 25 different events at once, then one every 30 s, unless the recorder is told more."""
ENDING_SECONDS: Final = 3.0

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class _About(NamedTuple):
    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class _What(NamedTuple):
    about: _About
    type: str
    reason: str
    action: str
    note: str


@dataclass(slots=True)
class _Series:
    """One Event on the server, and what it does not know yet."""

    what: _What
    name: str
    namespace: str
    first_seen: datetime
    last_seen: datetime
    last_at: float
    count: int = 1
    written_at: float = float("-inf")


class EventRecorder:
    """Writes Events of events.k8s.io/v1 as one reporting controller and instance."""

    def __init__(
        self,
        client: Client,
        controller: str,
        instance: str,
        *,
        burst: int = BURST,
        refill_a_second: float = REFILL_A_SECOND,
    ) -> None:
        self._client = client
        self._clock = client.clock
        self._controller = controller
        self._instance = instance[:128]
        self._burst = burst
        self._refill = refill_a_second
        self._series: OrderedDict[_What, _Series] = OrderedDict()
        """What a repetition is counted in; the one that was quiet the longest first."""
        self._waiting: dict[str, _Series] = {}
        """Those of which the server knows nothing, by name."""
        self._behind: dict[str, _Series] = {}
        """Those of whose count it knows too little."""
        self._buckets: OrderedDict[_About, TokenBucket] = OrderedDict()
        self._arrived = asyncio.Event()
        self._backoff = Backoff()
        self.dropped = 0

    def event(self, regarding: Object, type_: str, reason: str, note: str, action: str = "") -> None:
        """Tell that something happened. `type_`: Normal or Warning; `reason`, `action`: CamelCase words."""
        about = _About(regarding.api_version, regarding.kind, regarding.namespace, regarding.name, regarding.uid)
        what = _What(about, type_, reason, action or reason, _short(note))
        now = self._clock.monotonic()
        series = self._series.get(what)
        if series is not None and now - series.last_at < SERIES_SECONDS:
            series.count += 1
            series.last_seen, series.last_at = self._clock.now(), now
            self._series.move_to_end(what)
            self._behind[series.name] = series
            self._arrived.set()
            return
        if len(self._waiting) >= MAX_WAITING or not self._bucket(about).allow():
            self.dropped += 1
            log.warning("event dropped", reason=reason, object=about.name, note=note, dropped=self.dropped)
            return
        name = f"{regarding.name[:200]}.{uuid.uuid4().hex[:16]}"
        wall = self._clock.now()
        self._waiting[name] = self._series[what] = _Series(what, name, about.namespace or "default", wall, wall, now)
        self._series.move_to_end(what)
        if len(self._series) > MAX_SERIES:
            _, quiet = self._series.popitem(last=False)
            self._behind.pop(quiet.name, None)
        self._arrived.set()

    async def run(self) -> None:
        """Write events until cancelled; then what is left, within three seconds."""
        try:
            while True:
                await self._wait()
                self._arrived.clear()
                try:
                    await self._write(flush_after=FLUSH_SECONDS)
                except CoreError as error:
                    delay = self._backoff.next()
                    log.warning("events wait", error=str(error), retry_in=round(delay, 1))
                    await self._client.pause(delay)
                    self._arrived.set()
                else:
                    self._backoff.reset()
        finally:
            try:
                async with asyncio.timeout(ENDING_SECONDS):
                    await self._write(flush_after=0.0)
            except (CoreError, TimeoutError) as error:
                log.warning("events were lost at the end", events=len(self._waiting), error=str(error))

    async def _wait(self) -> None:
        """Until something happens, or a count may be written again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS if self._behind else None):
                await self._arrived.wait()

    async def _write(self, *, flush_after: float) -> None:
        """
        :raises CoreError: if the server is away: what was not written is written the next time.
        """
        while self._waiting:
            series = next(iter(self._waiting.values()))
            await self._create(series)
            del self._waiting[series.name]
        now = self._clock.monotonic()
        for series in tuple(self._behind.values()):
            if now - series.written_at >= flush_after:
                await self._count(series)
        for what, series in tuple(self._series.items()):
            if now - series.last_at < SERIES_SECONDS:
                break
            del self._series[what]

    async def _create(self, series: _Series) -> None:
        what = series.what
        about = what.about
        regarding = {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        }
        body: dict[str, Any] = {
            "metadata": {"name": series.name, "namespace": series.namespace},
            "eventTime": micro_time(series.first_seen),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "type": what.type,
            "reason": what.reason,
            "action": what.action,
            "note": what.note,
            "regarding": {name: value for name, value in regarding.items() if value},
        }
        try:
            await self._client.create(EVENTS, body)
        except AlreadyExists:
            log.debug("event was written by an earlier try", name=series.name)
        except (Unavailable, Throttled):
            raise
        except ApiError as error:
            self._forget(series)
            log.warning("the server refuses an event", reason=what.reason, object=about.name, error=str(error))
        series.written_at = self._clock.monotonic()

    async def _count(self, series: _Series) -> None:
        count, seen = series.count, series.last_seen
        patch = {"series": {"count": count, "lastObservedTime": micro_time(seen)}}
        try:
            await self._client.merge_patch(EVENTS, series.name, patch, namespace=series.namespace)
        except (Unavailable, Throttled):
            raise
        except ApiError as error:
            # Gone by its time to live, or refused: the next occurrence is an event of its own.
            self._forget(series)
            log.debug("an event's count was not written", name=series.name, error=str(error))
        series.written_at = self._clock.monotonic()
        if series.count == count:
            self._behind.pop(series.name, None)

    def _forget(self, series: _Series) -> None:
        """What is the same is another event from now on."""
        self._behind.pop(series.name, None)
        if self._series.get(series.what) is series:
            del self._series[series.what]

    def _bucket(self, about: _About) -> TokenBucket:
        bucket = self._buckets.get(about)
        if bucket is None:
            bucket = self._buckets[about] = TokenBucket(self._refill, self._burst, clock=self._clock)
            if len(self._buckets) > MAX_WAITING:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(about)  # who floods is remembered
        return bucket


def _short(note: str) -> str:
    """At most 1024 bytes, as the server demands; the beginning says what it is about. It commands no terminal."""
    note = printable(note)
    data = note.encode()
    return note if len(data) <= MAX_NOTE else data[: MAX_NOTE - 3].decode(errors="ignore") + "…"
