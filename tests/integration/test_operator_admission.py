"""What the installed admission policies let through, on a real API server: names and selectors of policies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from nmstate_k8s.api.crd import KINDS, custom_resource_definition
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import ApiError
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import ADMISSION_POLICIES
from nmstate_k8s.domain.install.render import render
from nmstate_k8s.domain.install.stack import InstallSettings, Stack
from nmstate_k8s.domain.kinds import CRDS, NMSTATES, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of our own."""
    with ControlPlane.start() as started:
        yield started


@pytest_asyncio.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator, on a cluster where the stack is installed."""
    async with Client(plane.config) as client:
        for kind in KINDS:
            await client.apply(CRDS, custom_resource_definition(kind), field_manager="test")
        nmstate = Object.from_dict({"metadata": {"name": "nmstate", "uid": "none"}}, NMSTATES)
        for manifest in render(Stack.of(nmstate, NMStateSpec(), InstallSettings(handler_image="handler:1"))):
            body = {**manifest.body, "metadata": {**manifest.body["metadata"], "ownerReferences": []}}
            await client.apply(manifest.resource, body, field_manager="test")
        yield client


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> bool:
    """True, when `look` says so: admission policies work a moment after they were made."""
    async with asyncio.timeout(seconds):
        while True:
            if await look():
                return True
            await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_names_and_selectors_of_policies_are_labels(admin: Client) -> None:
    """Refused at `kubectl apply`, with the field: what could not be written as a label."""

    async def refused(name: str, **selector: str) -> bool:
        body = {"metadata": {"name": name}, "spec": {"nodeSelector": selector}}
        try:
            await admin.create(POLICIES, body)
        except ApiError as error:
            return "label" in str(error) or "nodeSelector" in str(error)
        await admin.delete(POLICIES, name)
        return False

    assert await eventually(lambda: refused("x" * 64))
    assert await refused("fine", zone="not a label value")
    assert not await refused("fine", zone="")
    assert not await refused("x" * 63)


def without_rules(schema: Any) -> Any:
    """A CRD as it was before values of selectors had to be label values."""
    if isinstance(schema, dict):
        rules = ("pattern", "x-kubernetes-validations")
        return {key: without_rules(value) for key, value in schema.items() if key not in rules}
    return [without_rules(each) for each in schema] if isinstance(schema, list) else schema


@pytest.mark.asyncio
async def test_what_a_policy_had_before_it_may_keep(admin: Client) -> None:
    """One from before the installation can be changed, and its finalizers can come off."""
    policies = next(kind for kind in KINDS if kind.plural == POLICIES.plural)
    crd = custom_resource_definition(policies)
    rules = await admin.get(ADMISSION_POLICIES, "nncp-validation-policy")
    await admin.delete(ADMISSION_POLICIES, rules.name)
    await admin.apply(CRDS, without_rules(crd), field_manager="test")
    old = {"metadata": {"name": "old", "finalizers": ["x.io/y"]}, "spec": {"nodeSelector": {"zone": "-a-"}}}

    async def created(name: str) -> bool:
        with suppress(ApiError):
            await admin.create(POLICIES, {**old, "metadata": {**old["metadata"], "name": name}}, dry_run=name != "old")
            return True
        return False

    assert await eventually(lambda: created("old"))
    body = {"metadata": {"name": rules.name}, "spec": rules.to_dict()["spec"]}
    await admin.create(ADMISSION_POLICIES, body)

    async def enforced() -> bool:
        return not await created("another")

    assert await eventually(enforced)
    await admin.apply(CRDS, crd, field_manager="test")
    await admin.merge_patch(POLICIES, "old", {"spec": {"maxUnavailable": 1}})
    with pytest.raises(ApiError):
        await admin.merge_patch(POLICIES, "old", {"spec": {"nodeSelector": {"zone": "-b-"}}})
    await admin.merge_patch(POLICIES, "old", {"metadata": {"finalizers": []}})
    await admin.delete(POLICIES, "old")
