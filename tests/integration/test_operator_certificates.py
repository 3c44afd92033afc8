"""The operator and the controller side by side: one makes Secret and configurations, the other fills them in."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nmstate_k8s.core.admission import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from nmstate_k8s.core.certcontroller import SECRETS
from nmstate_k8s.core.client import Client
from nmstate_k8s.domain.install.kinds import SERVICES
from nmstate_k8s.domain.kinds import NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.installkit import create_nmstate, eventually, operator
from tests.integration.webhookstack import SECRET, Site

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@pytest_asyncio.fixture
async def site(plane: ControlPlane) -> AsyncIterator[Site]:
    """An NMState that the operator has installed, and the operator at work."""
    async with Client(plane.config) as admin, operator(plane, admin):
        if not (await admin.list(NMSTATES)).items:
            await create_nmstate(admin)
        await eventually(lambda: admin.get(SERVICES, "nmstate-webhook", "nmstate"))
        await eventually(lambda: admin.get(SECRETS, SECRET, "nmstate"))
        yield Site(plane, admin)


async def bundles(admin: Client) -> set[str]:
    """What the webhooks of both configurations trust."""
    found = [await admin.get(kind, "nmstate") for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
    hooks = [hook for each in found for hook in each.to_dict()["webhooks"]]
    assert len(hooks) == 4
    return {hook["clientConfig"].get("caBundle", "") for hook in hooks}


async def versions(admin: Client) -> list[str]:
    """Of what both of them write."""
    found = [await admin.get(kind, "nmstate") for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
    found.append(await admin.get(SECRETS, SECRET, "nmstate"))
    return [each.metadata.resource_version for each in found]


async def test_neither_undoes_what_the_other_does(site: Site) -> None:
    """What the controller has filled in stays, also when the operator has a reason to look at everything again."""
    admin = site.admin
    async with site.controller():
        before = await versions(admin)
        assert await bundles(admin) == {base64.b64encode(base64.b64decode((await site.secret())["ca.crt"])).decode()}
        await admin.delete(SERVICES, "nmstate-webhook", "nmstate")
        await eventually(lambda: admin.get(SERVICES, "nmstate-webhook", "nmstate"))
        assert await versions(admin) == before
        async with operator(site.plane, admin):  # one that starts anew looks at everything
            await admin.delete(SERVICES, "nmstate-webhook", "nmstate")
            await eventually(lambda: admin.get(SERVICES, "nmstate-webhook", "nmstate"))
        assert await versions(admin) == before


@pytest.mark.parametrize("damage", ["deleted", "immutable"])
async def test_a_secret_that_has_to_be_made_anew_is(site: Site, damage: str) -> None:
    """By the operator; the controller, which may create none, fills it with what was in it."""
    admin = site.admin
    async with site.controller():
        before = await site.secret()
        uid = (await admin.get(SECRETS, SECRET, "nmstate")).uid
        if damage == "deleted":
            await admin.delete(SECRETS, SECRET, "nmstate")
        else:
            patch = {"immutable": True, "data": dict.fromkeys(before, "Z2FyYmFnZQ==")}
            await admin.merge_patch(SECRETS, SECRET, patch, namespace="nmstate")

        async def healed() -> bool:
            found = await admin.get(SECRETS, SECRET, "nmstate")
            return found.uid != uid and found.to_dict().get("data") == before

        assert await eventually(healed, 40)


@pytest.mark.parametrize("kind", [MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS], ids=lambda kind: kind.kind)
async def test_a_configuration_that_was_deleted_is_trusting_again(site: Site, kind: object) -> None:
    """Made by the operator, told whom to trust by the controller."""
    admin = site.admin
    async with site.controller() as controller:
        before = await bundles(admin)
        await admin.delete(kind, "nmstate")  # type: ignore[arg-type]

        async def trusting() -> bool:
            return await bundles(admin) == before

        assert await eventually(trusting)
        assert await eventually(controller.ready)
