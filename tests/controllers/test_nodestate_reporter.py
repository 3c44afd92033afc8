"""The report of a node's state: when it is written, when it is not, and how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import jsonpatch
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from nmstate_k8s.api.meta import FORCE_REFRESH_LABEL
from nmstate_k8s.controllers.nodemetrics import NodeMetrics
from nmstate_k8s.controllers.nodestate import NodeStateReporter
from nmstate_k8s.controllers.nodestatewriter import There
from nmstate_k8s.core.errors import ApiError, Invalid, NotFound, Unavailable
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.desired.errors import HostUnavailable
from nmstate_k8s.domain.host.churn import Churn
from nmstate_k8s.domain.host.reading import StateReader
from nmstate_k8s.domain.host.rtnetlink import Link, Told
from nmstate_k8s.domain.kinds import NODE_STATES
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.host import FakeHost

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Server:
    """One NodeNetworkState."""

    def __init__(self) -> None:
        self.status: dict[str, Any] | None = None
        self.writes: list[str] = []
        self.failures: list[Exception] = []
        self.limit: int | None = None
        """Bytes of a status that are taken; None: any."""

    async def read(self) -> There:
        return msgspec.json.decode(msgspec.json.encode(self.status or {}), type=There)

    async def patch(self, written: str, moment: str, changes: Sequence[Mapping[str, Any]]) -> None:
        self._fail()
        if self.status is None:
            raise NotFound("gone", status=404)
        if self.status.get("lastSuccessfulUpdateTime") != written:
            raise Invalid("the test failed", status=422)
        document = {"status": self.status}
        self._refuse(jsonpatch.apply_patch(document, msgspec.json.encode(changes).decode())["status"])
        self.status = jsonpatch.apply_patch(document, msgspec.json.encode(changes).decode())["status"]
        self.status["lastSuccessfulUpdateTime"] = moment
        self.writes.append("patch")

    async def write(self, status: Mapping[str, Any]) -> None:
        self._fail()
        self._refuse(status)
        self.status = msgspec.json.decode(msgspec.json.encode(status))
        self.writes.append("write")

    def _refuse(self, status: Any) -> None:
        if self.limit is not None and len(msgspec.json.encode(status)) > self.limit:
            raise Unavailable("etcdserver: request is too large", status=500)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


class Report:
    """A reporter that runs, and its world."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.server = Server()
        self.churn = Churn()
        self.metrics = NodeMetrics(CollectorRegistry(), clock=LoopClock())
        self.reporter = self.another()

    def another(self) -> NodeStateReporter:
        """A reporter of the same node, as after a restart."""
        return NodeStateReporter(
            self.host,
            self.server,
            reader=StateReader(self.host),
            nmstate_version="2.2.62",
            watched=self.churn,
            measured=self.metrics,
            clock=LoopClock(),
        )

    def value(self, name: str, **labels: str) -> float | None:
        """A sample of the metrics."""
        return self.metrics.registry.get_sample_value(f"nmstate_handler_{name}", labels)

    def change(self, mtu: int) -> None:
        """The kernel tells of a change."""
        interfaces = [{**entry, "mtu": mtu} for entry in self.host.state["interfaces"]]
        self.host.state = {**self.host.state, "interfaces": interfaces}
        self.reporter.changed()

    @property
    def mtu(self) -> int:
        assert self.server.status is not None
        return int(self.server.status["currentState"]["interfaces"][0]["mtu"])


@asynccontextmanager
async def reporting() -> AsyncIterator[Report]:
    """A reporter that has made its first report. Not a fixture: its time must be the test's."""
    made = Report()
    running = asyncio.ensure_future(made.reporter.run())
    await asyncio.sleep(0.1)
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def labelled(value: str | None) -> Object:
    labels = {} if value is None else {FORCE_REFRESH_LABEL: value}
    return Object.from_dict({"metadata": {"name": "n1", "labels": labels}}, NODE_STATES)


async def test_the_first_state_is_written_at_once() -> None:
    """With the versions, as a whole."""
    async with reporting() as report:
        assert report.server.writes == ["write"]
        assert report.server.status is not None
        assert report.server.status["handlerNmstateVersion"] == "2.2.62"
        assert report.server.status["hostNetworkManagerVersion"] == "1.52.1"


async def test_an_unchanged_state_costs_no_write() -> None:
    """Ten minutes of nothing."""
    async with reporting() as report:
        await asyncio.sleep(600)
        assert len(report.server.writes) == 1
        assert 9 <= report.host.calls.count("show") <= 13


async def test_a_change_is_reported_within_two_seconds_as_a_patch() -> None:
    """The time of the report moves with it."""
    async with reporting() as report:
        await asyncio.sleep(20)
        before = dict(report.server.status or {})
        report.change(9000)
        await asyncio.sleep(2)
        assert report.server.writes == ["write", "patch"]
        assert report.mtu == 9000
        assert report.server.status is not None
        assert report.server.status["lastSuccessfulUpdateTime"] > before["lastSuccessfulUpdateTime"]


async def test_churn_makes_at_most_one_write_in_ten_seconds() -> None:
    """And the last state is reported all the same."""
    async with reporting() as report:
        await asyncio.sleep(20)
        for step in range(100):
            report.change(2000 + step)
            await asyncio.sleep(0.5)
        assert len(report.server.writes) <= 1 + 6
        await asyncio.sleep(11)
        assert report.mtu == 2099


async def test_a_forced_refresh_does_not_wait() -> None:
    """Headlamp reads again after three seconds."""
    async with reporting() as report:
        report.change(9000)
        report.reporter.on_event(Event(labelled(None), labelled("now")))
        await asyncio.sleep(1)
        assert report.mtu == 9000
        shows = report.host.calls.count("show")
        report.reporter.on_event(Event(labelled("now"), labelled("now")))
        await asyncio.sleep(1)
        assert report.host.calls.count("show") == shows, "another change of the object asks for nothing"


async def test_a_deleted_report_is_made_anew() -> None:
    """At once and whole, though the state is the same."""
    async with reporting() as report:
        report.server.status = None
        report.reporter.on_event(Event(labelled(None), None))
        await asyncio.sleep(1)
        assert report.server.writes == ["write", "write"]


async def test_a_report_that_somebody_else_wrote_is_written_whole() -> None:
    """Operations by position are only right on what we left."""
    async with reporting() as report:
        await asyncio.sleep(20)
        report.server.status = {"currentState": {}, "lastSuccessfulUpdateTime": "2020-01-01T00:00:00Z"}
        report.change(9000)
        await asyncio.sleep(2)
        assert report.server.writes == ["write", "write"]
        assert report.mtu == 9000


async def test_nobody_looks_during_a_transaction() -> None:
    """It has libnmstate for itself; at its end the state is reported without waiting."""
    async with reporting() as report:
        report.reporter.hold(True)
        shows = report.host.calls.count("show")
        report.change(9000)
        await asyncio.sleep(120)
        assert report.host.calls.count("show") == shows
        report.reporter.hold(False)
        await asyncio.sleep(0.1)
        assert report.mtu == 9000


async def test_a_failure_is_tried_again() -> None:
    """The API server or NetworkManager may be away."""
    async with reporting() as report:
        report.server.failures = [Unavailable("away")]
        report.host.fail("show", HostUnavailable("NetworkManagerUnavailable", "away"))
        report.reporter.refresh()
        report.change(9000)
        await asyncio.sleep(30)
        assert report.mtu == 9000


async def test_a_restarted_handler_does_not_write_what_is_there() -> None:
    """The time of the last change stays."""
    async with reporting() as report:
        running = asyncio.ensure_future(report.another().run())
        await asyncio.sleep(1)
        assert len(report.server.writes) == 1
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_failures_are_tried_again_more_and_more_seldom() -> None:
    """An API server that refuses a report is not asked every other second; a refresh asks at once all the same."""
    async with reporting() as report:
        report.server.failures = [Unavailable("away")] * 100
        report.change(9000)
        await asyncio.sleep(600)
        assert 10 <= 100 - len(report.server.failures) <= 20
        report.server.failures = []
        report.reporter.refresh()
        await asyncio.sleep(0.1)
        assert report.mtu == 9000


async def test_what_is_looked_at_and_written_is_measured() -> None:
    """By cause and by kind; the age of the report starts anew with each look, whatever it finds."""
    async with reporting() as report:
        report.change(9000)
        await asyncio.sleep(20)
        assert report.value("state_look_seconds_count", cause="start") == 1
        assert report.value("state_look_seconds_count", cause="change") == 1
        assert report.value("state_writes_total", kind="whole") == 1
        assert report.value("state_writes_total", kind="patch") == 1
        assert report.value("state_interfaces") == 2
        assert (report.value("state_bytes") or 0) > 100
        await asyncio.sleep(600)
        age = report.value("state_age_seconds")
        assert age is not None
        assert age < 70


def grow(report: Report, routes: int) -> None:
    """So many routes."""
    each = {"destination": "10.0.0.0/24", "next-hop-interface": "eth0", "table-id": 254}
    report.host.state = {**report.host.state, "routes": {"running": [each] * routes, "config": []}}
    report.reporter.changed()


def condition(report: Report) -> dict[str, Any] | None:
    assert report.server.status is not None
    conditions = report.server.status.get("conditions") or [None]
    found: dict[str, Any] | None = conditions[0]
    return found


async def test_a_state_that_is_too_large_is_reported_as_far_as_it_fits() -> None:
    """What is left out stands in a condition; it goes when the state is whole again."""
    async with reporting() as report:
        assert condition(report) is None
        report.server.limit = 1_500_000
        grow(report, 30_000)
        await asyncio.sleep(20)
        assert report.server.status is not None
        assert len(report.server.status["currentState"]["interfaces"]) == 2
        assert 10_000 < len(report.server.status["currentState"]["routes"]["running"]) < 30_000
        found = condition(report)
        assert found is not None
        assert (found["type"], found["status"], found["reason"]) == ("Truncated", "True", "TooLarge")
        assert "of 30000 entries of routes.running" in found["message"]
        grow(report, 3)
        await asyncio.sleep(20)
        assert condition(report) is None
        assert len(report.server.status["currentState"]["routes"]["running"]) == 3


async def test_a_server_that_takes_less_is_given_less() -> None:
    """Its etcd may have another limit: lower ones are tried at once, and the one that held is kept."""
    async with reporting() as report:
        report.server.limit = 200_000
        grow(report, 10_000)
        await asyncio.sleep(20)
        assert condition(report) is not None
        writes = len(report.server.writes)
        await asyncio.sleep(600)
        assert len(report.server.writes) == writes, "nothing changes, nothing is written"
        report.change(9000)
        await asyncio.sleep(20)
        assert report.mtu == 9000
        assert len(report.server.writes) == writes + 1


async def test_a_restarted_handler_does_not_write_a_truncated_report_anew() -> None:
    """It leaves out the same, and the time of the condition stays."""
    async with reporting() as report:
        grow(report, 30_000)
        await asyncio.sleep(20)
        writes = len(report.server.writes)
        assert condition(report) is not None
        running = asyncio.ensure_future(report.another().run())
        await asyncio.sleep(1)
        assert len(report.server.writes) == writes
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_server_that_takes_nothing_is_asked_seldom() -> None:
    """Whatever it means by too large: no endless attempts."""
    async with reporting() as report:
        report.server.failures = [ApiError("too large", status=413)] * 1000
        report.change(9000)
        await asyncio.sleep(60)
        assert len(report.server.failures) > 900


@pytest.mark.parametrize(
    ("stays", "looks"),
    [pytest.param(False, 0, id="it is gone"), pytest.param(True, 1, id="it stays, so another look tells whose it is")],
)
async def test_a_pod_that_passes_while_somebody_looks_costs_no_write(stays: bool, looks: int) -> None:
    """NetworkManager does not know its link yet, or any more: it looks like the node's own."""
    async with reporting() as report:
        await asyncio.sleep(20)
        pods = {"name": "veth7", "type": "veth", "state": "down", "mtu": 1500, "mac-address": "02:00:00:00:00:07"}
        before, quiet = report.host.calls.count("show"), report.host.state

        def passes() -> None:
            report.host.on("show", lambda: setattr(report.host, "state", quiet))
            report.host.state = {**quiet, "interfaces": [*quiet["interfaces"], pods]}
            for gone in [False] if stays else [False, True]:
                report.churn.hear(far_end(7, "veth7", gone=gone))

        report.host.on("show", passes)
        report.reporter.refresh()
        await asyncio.sleep(10)
        assert report.server.writes == ["write"]
        assert report.host.calls.count("show") - before == 1 + looks


def far_end(index: int, name: str, *, gone: bool) -> Told:
    """What the kernel tells of a pod's link."""
    return Told(("link", 0, index), index, gone, hash(gone), Link(name, far_end=True))
