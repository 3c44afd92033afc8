"""The webhooks of policies, called by a real API server: what they fill in, what they refuse, and that nothing depends
on them.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from nmstate_k8s.api.meta import MUTATING_TIMESTAMP_ANNOTATION
from nmstate_k8s.core.certcontroller import SECRETS
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import Invalid
from nmstate_k8s.core.metrics import METRICS
from nmstate_k8s.core.rotation import Durations
from nmstate_k8s.domain.kinds import POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.core.webhookkit import ring_of
from tests.integration.webhookstack import SECRET, Site, eventually, policy

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of our own: the configurations are the whole cluster's."""
    with ControlPlane.start() as started:
        yield started


@pytest_asyncio.fixture
async def site(plane: ControlPlane) -> AsyncIterator[Site]:
    """Everything installed, no controller yet."""
    async with Client(plane.config) as admin:
        site = Site(plane, admin)
        await site.install()
        yield site
        for left in (await admin.list(POLICIES)).items:
            await admin.delete(POLICIES, left.name)


def calls(path: str) -> float:
    """How many calls were answered there."""
    labels = {"webhook": f"/nodenetworkconfigurationpolicies-{path}", "code": "200"}
    return METRICS.registry.get_sample_value("controller_runtime_webhook_requests_total", labels) or 0.0


async def test_the_moment_of_a_change_is_noted(site: Site) -> None:
    """In nanoseconds; a label is no change, and an apply of the same is none at all."""
    admin = site.admin
    async with site.controller():
        await eventually(site.judged)
        before = datetime.now(UTC)
        made = await admin.apply(POLICIES, policy("noted"), field_manager="me")
        noted = int(made.metadata.annotations[MUTATING_TIMESTAMP_ANNOTATION])
        assert before <= datetime.fromtimestamp(noted / 1e9, UTC) + timedelta(milliseconds=1) <= datetime.now(UTC)
        labelled = await admin.merge_patch(POLICIES, "noted", {"metadata": {"labels": {"a": "b"}}})
        assert int(labelled.metadata.annotations[MUTATING_TIMESTAMP_ANNOTATION]) == noted
        again = await admin.apply(POLICIES, policy("noted"), field_manager="me")
        assert int(again.metadata.annotations[MUTATING_TIMESTAMP_ANNOTATION]) == noted
        changed = await admin.apply(POLICIES, policy("noted", mtu=9000), field_manager="me")
        assert int(changed.metadata.annotations[MUTATING_TIMESTAMP_ANNOTATION]) > noted
        assert calls("mutate") >= 4


async def test_a_status_without_conditions_gets_them(site: Site) -> None:
    """As Unknown, in their order; one that brings them costs no call."""
    admin = site.admin
    async with site.controller():
        await eventually(site.judged)
        await admin.apply(POLICIES, policy("emptied"), field_manager="me")

        async def summed_up() -> bool:
            found = await admin.get(POLICIES, "emptied")
            conditions = found.to_dict().get("status", {}).get("conditions", [])
            return any(each["type"] == "Ignored" and each["status"] == "True" for each in conditions)

        await eventually(summed_up)
        before = calls("status-mutate")
        emptied = await admin.merge_patch(POLICIES, "emptied", {"status": {"conditions": []}}, subresource="status")
        conditions = emptied.to_dict()["status"]["conditions"]
        assert [each["type"] for each in conditions] == ["Available", "Degraded", "Progressing", "Ignored", "Ready"]
        assert {each["status"] for each in conditions} == {"Unknown"}
        await eventually(summed_up)
        assert calls("status-mutate") == before + 1, "the controller's own writes bring conditions"


async def test_what_no_node_could_carry_out_is_refused(site: Site) -> None:
    """With the path and a suggestion; what may be is warned of. A deletion is always possible."""
    admin = site.admin
    async with site.controller():
        await eventually(site.judged)
        with pytest.raises(Invalid, match=r"denied the request: spec\.desiredState.*mtuu.*mtu"):
            await admin.apply(POLICIES, policy("typo", mtuu=1500), field_manager="me")
        with pytest.raises(Invalid, match=r"denied the request: spec\.desiredState"):
            await admin.apply(POLICIES, policy("wrong", mtu="many"), field_manager="me")
        await admin.apply(POLICIES, policy("first", mtu=1500), field_manager="me")
        with capture_logs() as logs:
            await admin.apply(POLICIES, policy("second", mtu=9000), field_manager="me")
        warnings = [each["warning"] for each in logs if each["event"] == "the API server warns"]
        assert any("first" in warning and "mtu" in warning for warning in warnings)
        await site.remove("first", "second")


async def test_nothing_depends_on_the_webhooks(site: Site) -> None:
    """When nobody answers, policies are written all the same, and soon; so before anybody ever did."""
    await site.admin.apply(POLICIES, policy("early"), field_manager="me")
    async with site.controller():
        await eventually(site.judged)
    await site.admin.apply(POLICIES, policy("late", mtu="many"), field_manager="me")
    await site.remove("early", "late")


async def test_nobody_waits_long_for_a_webhook_that_hangs(site: Site) -> None:
    """It takes the connection and says nothing, as a process that was stopped does: the policy is written."""
    async with site.controller():
        await eventually(site.judged)
    opened = []
    silent = await asyncio.start_server(lambda *connection: opened.append(connection), "localhost", site.port)
    try:
        await site.admin.apply(POLICIES, policy("hung", mtu="many"), field_manager="me")
    finally:
        silent.close()
        for _, writer in opened:
            writer.transport.abort()
    assert opened, "it was asked"
    await site.remove("hung")


@pytest.mark.parametrize("damage", ["deleted", "garbled", "expired"])
async def test_a_damaged_secret_is_healed(site: Site, damage: str) -> None:
    """While the leader lives, with what was in it; calls go on."""
    admin = site.admin
    async with site.controller() as controller:
        await eventually(site.judged)
        before = await site.secret()
        with capture_logs():
            if damage == "deleted":
                await admin.delete(SECRETS, SECRET, "nmstate")
                await site.make_secret()
            else:
                await admin.merge_patch(SECRETS, SECRET, {"data": damaged(before, damage)}, namespace="nmstate")

            async def healed() -> bool:
                assert await site.judged()
                return await site.secret() == before

            await eventually(healed)
        assert (await controller.readiness())[0] == 200


@pytest.mark.parametrize("damage", ["garbled", "expired"])
async def test_a_secret_that_was_damaged_while_nobody_led_is_made_anew(site: Site, damage: str) -> None:
    """Before the controller says that it is ready."""
    async with site.controller():
        await eventually(site.judged)
    before = await site.secret()
    await site.admin.merge_patch(SECRETS, SECRET, {"data": damaged(before, damage)}, namespace="nmstate")
    async with site.controller():
        await eventually(site.judged)
        assert (await site.secret())["tls.crt"] != before["tls.crt"]


def damaged(data: dict[str, str], how: str) -> dict[str, str]:
    """The Secret's data, no longer of use."""
    if how == "garbled":
        return dict.fromkeys(data, "Z2FyYmFnZQ==")
    hosts = ["nmstate-webhook.nmstate.svc", "nmstate-monitor.nmstate.svc"]
    old = ring_of(hosts, datetime(2020, 1, 1, tzinfo=UTC)).to_data()
    return {name: base64.b64encode(value).decode() for name, value in old.items()}


async def test_ready_means_callable(site: Site) -> None:
    """The first policy at the moment when the pod is ready is accepted, filled in, and judged: each time anew."""
    for attempt in range(5):
        if attempt:
            await site.admin.delete(SECRETS, SECRET, "nmstate")
            await site.make_secret()
        async with site.controller():
            made = await site.admin.apply(POLICIES, policy(f"first-{attempt}"), field_manager="me")
            assert MUTATING_TIMESTAMP_ANNOTATION in made.metadata.annotations
            assert await site.judged()


async def test_certificates_live_as_long_as_the_nmstate_says(site: Site) -> None:
    """A controller with other durations shows a new certificate within them, and stays ready."""
    short = Durations(*(timedelta(seconds=each) for each in (8, 3, 2, 3)))
    async with site.controller(short) as controller:
        seen = set()

        async def rotated() -> bool:
            assert await site.judged()
            assert (await controller.readiness())[0] == 200
            seen.add((await site.secret())["tls.crt"])
            return len(seen) > 4

        await eventually(site.judged)
        await eventually(rotated, 60)
