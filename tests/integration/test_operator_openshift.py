"""Kinds that exist in some clusters only: of what comes to be served while the operator runs, objects are installed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nmstate_k8s.api.conditions import NMStatePhase
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.domain.install.kinds import CONSOLE_PLUGINS, SECURITY_CONTEXT_CONSTRAINTS, SERVICE_MONITORS
from nmstate_k8s.domain.install.surroundings import crd_name
from nmstate_k8s.domain.kinds import CRDS, DEPLOYMENTS, NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.installkit import (
    SETTINGS,
    collect_garbage,
    create_nmstate,
    eventually,
    in_phase,
    live,
    manifests,
    operator,
    pods_run,
)

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

WITH_PLUGIN = replace(SETTINGS, install=replace(SETTINGS.install, console_plugin_image="plugin:1"))


def definition(resource: Resource) -> dict[str, Any]:
    """The kind, with a schema that takes everything: OpenShift's own say more."""
    return {
        "metadata": {"name": crd_name(resource)},
        "spec": {
            "group": resource.group,
            "names": {"plural": resource.plural, "kind": resource.kind},
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


async def test_a_kind_in_another_version_holds_nothing_up(plane: ControlPlane, admin: Client) -> None:
    """A cluster that serves a kind of these otherwise than we know it: all else is installed."""
    other = definition(CONSOLE_PLUGINS)
    other["spec"]["versions"][0]["name"] = "v1alpha1"
    await admin.apply(CRDS, other, field_manager="test")
    async with operator(plane, admin, WITH_PLUGIN):
        nmstate = await create_nmstate(admin)
        await eventually(lambda: admin.get(DEPLOYMENTS, "nmstate-webhook", "nmstate"))
        for manifest in manifests(nmstate):
            await eventually(lambda one=manifest: live(admin, one))  # type: ignore[misc]
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)
        with pytest.raises(NotFound):
            await admin.get(DEPLOYMENTS, "nmstate-console-plugin", "nmstate")
    await admin.delete(CRDS, crd_name(CONSOLE_PLUGINS))
    await admin.delete(NMSTATES, "nmstate")
    await collect_garbage(admin, nmstate)


async def test_what_comes_to_be_served_is_installed_and_healed(plane: ControlPlane, admin: Client) -> None:
    """With the operator's own rights; deleted it comes back, and without its kind it is not missed."""
    objects = {
        SECURITY_CONTEXT_CONSTRAINTS: ("nmstate-handler", ""),
        CONSOLE_PLUGINS: ("nmstate-console-plugin", ""),
        SERVICE_MONITORS: ("nmstate-monitor", "nmstate"),
    }
    async with operator(plane, admin, WITH_PLUGIN):
        nmstate = await create_nmstate(admin)
        await in_phase(admin, NMStatePhase.DEPLOYING)
        await eventually(lambda: admin.get(DEPLOYMENTS, "nmstate-webhook", "nmstate"))
        with pytest.raises(NotFound):
            await admin.get(DEPLOYMENTS, "nmstate-console-plugin", "nmstate")
        for resource in objects:
            await admin.apply(CRDS, definition(resource), field_manager="test")
        for resource, (name, namespace) in objects.items():

            async def there(kind: Resource = resource, name: str = name, namespace: str = namespace) -> Object:
                return await admin.get(kind, name, namespace)

            found = await eventually(there, seconds=60)
            assert [owner.uid for owner in found.metadata.owner_references] == [nmstate.uid]
            await admin.delete(resource, name, namespace, uid=found.uid)
            assert (await eventually(there, seconds=60)).uid != found.uid
        assert await eventually(lambda: admin.get(DEPLOYMENTS, "nmstate-console-plugin", "nmstate"))

        await admin.delete(CRDS, crd_name(CONSOLE_PLUGINS))

        async def taken_back() -> bool:
            names = [one.name for one in (await admin.list(DEPLOYMENTS, "nmstate")).items]
            return "nmstate-console-plugin" not in names

        assert await eventually(taken_back, seconds=60)
        await in_phase(admin, NMStatePhase.DEPLOYING)
