"""What the operator installs for Prometheus' operator: when its kinds come, while they are there, and when they go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from nmstate_k8s.api.conditions import NMStatePhase
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import CoreError, NotFound
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.domain.install.kinds import PROMETHEUS_RULES, SERVICE_MONITORS, SERVICES
from nmstate_k8s.domain.install.surroundings import crd_name
from nmstate_k8s.domain.kinds import CRDS, NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.installkit import (
    create_nmstate,
    eventually,
    in_phase,
    operator,
    pods_run,
)

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

NAME, NAMESPACE = "nmstate-monitor", "nmstate"


@pytest_asyncio.fixture(autouse=True)
async def kinds_go(admin: Client) -> AsyncIterator[None]:
    """Each test defines the kinds that it is about."""
    yield
    for kind in (SERVICE_MONITORS, PROMETHEUS_RULES):
        await undefine(admin, kind)


async def define(admin: Client, kind: Resource) -> None:
    """As an installation of Prometheus' operator does; any content is taken."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: dict[str, Any] = {"name": kind.version, "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": schema}
    names = {"plural": kind.plural, "singular": kind.kind.lower(), "kind": kind.kind}
    spec = {"group": kind.group, "names": names, "scope": "Namespaced", "versions": [version]}
    await admin.apply(CRDS, {"metadata": {"name": crd_name(kind)}, "spec": spec}, field_manager="test")


async def undefine(admin: Client, kind: Resource) -> None:
    """As its removal does; whoever defines it again must not meet one that is on its way out."""

    async def gone() -> bool | None:
        try:
            await admin.delete(CRDS, crd_name(kind))
        except NotFound:
            return True
        return None

    await eventually(gone)


async def installed(admin: Client, kind: Resource) -> Object:
    """The object of that kind, when it is there."""

    async def look() -> Object | None:
        try:
            return await admin.get(kind, NAME, NAMESPACE)
        except CoreError:  # not there, or its kind is not served yet
            return None

    return await eventually(look, 40.0)


async def gone(admin: Client, kind: Resource) -> None:
    """Wait until it is not there."""

    async def look() -> bool | None:
        try:
            await admin.get(kind, NAME, NAMESPACE)
        except CoreError:
            return True
        return None

    await eventually(look, 40.0)


async def test_scrape_and_rules_are_installed_when_their_kinds_come(plane: ControlPlane, admin: Client) -> None:
    """Owned by the NMState, and made again when somebody deletes them; without them nothing is missing."""
    async with operator(plane, admin):
        nmstate = await create_nmstate(admin)
        await installed(admin, SERVICES)  # the workloads were before it
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)
        for kind in (SERVICE_MONITORS, PROMETHEUS_RULES):
            await define(admin, kind)
        for kind in (SERVICE_MONITORS, PROMETHEUS_RULES):
            found = await installed(admin, kind)
            assert [owner.uid for owner in found.metadata.owner_references] == [nmstate.uid]
            await admin.delete(kind, NAME, NAMESPACE)
            again = await installed(admin, kind)
            assert again.uid != found.uid
        names = [group["name"] for group in (await installed(admin, PROMETHEUS_RULES)).to_dict()["spec"]["groups"]]
        assert "nmstate.policies" in names


async def test_the_kinds_may_go_again(plane: ControlPlane, admin: Client) -> None:
    """The installation stays well, and what else changes is still seen to."""
    for kind in (SERVICE_MONITORS, PROMETHEUS_RULES):
        await define(admin, kind)
    async with operator(plane, admin):
        await create_nmstate(admin)
        await installed(admin, SERVICES)  # the workloads were before it
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)
        for kind in (SERVICE_MONITORS, PROMETHEUS_RULES):
            await installed(admin, kind)
            await undefine(admin, kind)
        for kind in (SERVICE_MONITORS, PROMETHEUS_RULES):
            await gone(admin, kind)
        await admin.delete(SERVICES, NAME, NAMESPACE)
        await installed(admin, SERVICES)
        await in_phase(admin, NMStatePhase.AVAILABLE)


async def test_without_an_address_nothing_of_it_is_left(plane: ControlPlane, admin: Client) -> None:
    """What was installed before is taken away."""
    for kind in (SERVICE_MONITORS, PROMETHEUS_RULES):
        await define(admin, kind)
    async with operator(plane, admin):
        await create_nmstate(admin)
        for kind in (SERVICES, SERVICE_MONITORS, PROMETHEUS_RULES):
            await installed(admin, kind)
        change = {"spec": {"metricsConfiguration": {"bindAddress": "0"}}}
        await admin.merge_patch(NMSTATES, "nmstate", change)
        await asyncio.gather(*(gone(admin, kind) for kind in (SERVICES, SERVICE_MONITORS, PROMETHEUS_RULES)))
