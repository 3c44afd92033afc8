"""The operator on a real API server, with the rights that its manifests give it and no others.

There are no controllers of Kubernetes here: nothing is garbage collected, no pod runs. The tests write the status
that those would write.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from nmstate_k8s.api.conditions import NMStatePhase
from nmstate_k8s.api.nmstate import NMState
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.domain.install.kinds import CLUSTER_ROLES, NAMESPACES
from nmstate_k8s.domain.kinds import DAEMONSETS, DEPLOYMENTS, NMSTATES
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

pytestmark = pytest.mark.apiserver


@pytest.mark.asyncio
async def test_an_nmstate_installs_everything(plane: ControlPlane, admin: Client) -> None:
    """All objects are there, owned by the NMState where they are to go with it; Available when the pods are."""
    async with operator(plane, admin):
        nmstate = await create_nmstate(admin)
        waiting = await in_phase(admin, NMStatePhase.DEPLOYING)
        for manifest in manifests(nmstate):
            found = await eventually(lambda wanted=manifest: live(admin, wanted))  # type: ignore[misc]
            owners = [owner.uid for owner in found.metadata.owner_references]
            assert owners == ([nmstate.uid] if "ownerReferences" in manifest.body["metadata"] else [])
        (progressing,) = (one for one in waiting.view(NMState).status.conditions if one.type == "Progressing")
        assert progressing.reason == "Deploying"

        await pods_run(admin)
        done = await in_phase(admin, NMStatePhase.AVAILABLE)
        native = done.view(NMState).status.conditions[:3]
        assert [one.type for one in native] == ["Available", "Progressing", "Degraded"]
        assert {one.reason for one in native} == {"SuccessfullyDeployed"}
        assert all(one.last_transition_time and one.last_heartbeat_time for one in native)


@pytest.mark.asyncio
async def test_with_a_prefix_everything_has_other_names(plane: ControlPlane, admin: Client) -> None:
    """Nothing that has no prefix is made, but for the kinds and the namespace; and it comes to be Available."""
    settings = replace(SETTINGS, install=replace(SETTINGS.install, prefix="alice"))
    async with operator(plane, admin, settings):
        nmstate = await create_nmstate(admin)
        wanted = manifests(nmstate, settings)
        for manifest in wanted:
            await eventually(lambda one=manifest: live(admin, one))  # type: ignore[misc]
        plain = {manifest.key for manifest in manifests(nmstate)} - {manifest.key for manifest in wanted}
        for manifest in manifests(nmstate):
            if manifest.key in plain:
                with pytest.raises(NotFound):
                    await live(admin, manifest)
        await pods_run(admin, prefix="alice-")
        await in_phase(admin, NMStatePhase.AVAILABLE)
    for manifest in wanted:
        if "ownerReferences" in manifest.body["metadata"]:
            await admin.delete(manifest.resource, manifest.key.name, manifest.key.namespace)


@pytest.mark.asyncio
async def test_what_others_change_is_undone(plane: ControlPlane, admin: Client) -> None:
    """Deleted, edited, added to: the operator puts it right without being asked."""
    async with operator(plane, admin):
        await create_nmstate(admin)
        await in_phase(admin, NMStatePhase.DEPLOYING)
        await eventually(lambda: admin.get(DAEMONSETS, "nmstate-handler", "nmstate"))
        await admin.delete(CLUSTER_ROLES, "nmstate-controller")
        await admin.merge_patch(
            NAMESPACES, "nmstate", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
        )
        await admin.merge_patch(DEPLOYMENTS, "nmstate-webhook", {"spec": {"replicas": 7}}, namespace="nmstate")
        added = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "X", "value": "y"}}]
        await admin.json_patch(DAEMONSETS, "nmstate-handler", added, namespace="nmstate")

        async def mended() -> bool:
            roles = await admin.get(CLUSTER_ROLES, "nmstate-controller")
            namespace = await admin.get(NAMESPACES, "nmstate")
            deployment = (await admin.get(DEPLOYMENTS, "nmstate-webhook", "nmstate")).to_dict()
            handler = (await admin.get(DAEMONSETS, "nmstate-handler", "nmstate")).to_dict()
            (container,) = handler["spec"]["template"]["spec"]["containers"]
            return (
                bool(roles.to_dict()["rules"])
                and namespace.labels["pod-security.kubernetes.io/enforce"] == "privileged"
                and deployment["spec"]["replicas"] == 1
                and all(variable["name"] != "X" for variable in container["env"])
            )

        assert await eventually(mended)


@pytest.mark.asyncio
async def test_an_installation_at_rest_is_left_alone(plane: ControlPlane, admin: Client) -> None:
    """What is as it ought to be is not written again, not even by an operator that starts anew."""
    async with operator(plane, admin):
        nmstate = await create_nmstate(admin)
        await eventually(lambda: admin.get(DAEMONSETS, "nmstate-handler", "nmstate"))
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)
    before = [(await live(admin, one)).metadata.resource_version for one in manifests(nmstate)]
    async with operator(plane, admin):
        # What is the default anyway: it must be answered, which proves that the operator has looked.
        await admin.merge_patch(NMSTATES, "nmstate", {"spec": {"metricsConfiguration": {"bindAddress": ":8089"}}})
        await in_phase(admin, NMStatePhase.AVAILABLE)
    assert [(await live(admin, one)).metadata.resource_version for one in manifests(nmstate)] == before


@pytest.mark.asyncio
async def test_a_change_of_the_spec_reaches_the_pods(plane: ControlPlane, admin: Client) -> None:
    """And the NMState is Progressing for the new generation until they are rolled out."""
    async with operator(plane, admin):
        await create_nmstate(admin)
        await eventually(lambda: admin.get(DAEMONSETS, "nmstate-handler", "nmstate"))
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)
        await admin.merge_patch(NMSTATES, "nmstate", {"spec": {"nodeSelector": {"net": "yes"}, "logLevel": "debug"}})

        async def rolled_out() -> bool:
            handler = (await admin.get(DAEMONSETS, "nmstate-handler", "nmstate")).to_dict()
            spec = handler["spec"]["template"]["spec"]
            told = {"name": "LOG_LEVEL", "value": "debug"} in spec["containers"][0]["env"]
            return told and spec["nodeSelector"] == {"net": "yes"}

        assert await eventually(rolled_out)
        await in_phase(admin, NMStatePhase.DEPLOYING)
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)


@pytest.mark.asyncio
async def test_made_anew_it_waits_for_the_garbage_collector(plane: ControlPlane, admin: Client) -> None:
    """Deleted and created at once: what belonged to the first goes, then everything comes back."""
    async with operator(plane, admin):
        first = await create_nmstate(admin)
        old = await eventually(lambda: admin.get(DAEMONSETS, "nmstate-handler", "nmstate"))
        await admin.delete(NMSTATES, "nmstate")
        second = await create_nmstate(admin)

        async def told() -> bool:
            conditions = (await admin.get(NMSTATES, "nmstate")).view(NMState).status.conditions
            return any("earlier NMState" in one.message for one in conditions)

        assert await eventually(told)
        assert (await admin.get(DAEMONSETS, "nmstate-handler", "nmstate")).uid == old.uid
        await collect_garbage(admin, first)
        for manifest in manifests(second):
            found = await eventually(lambda wanted=manifest: live(admin, wanted))  # type: ignore[misc]
            assert {owner.uid for owner in found.metadata.owner_references} <= {second.uid}


@pytest.mark.asyncio
async def test_a_second_nmstate_is_deleted(plane: ControlPlane, admin: Client) -> None:
    """The older one stays as it is."""
    async with operator(plane, admin):
        first = await create_nmstate(admin)
        await in_phase(admin, NMStatePhase.DEPLOYING)
        await asyncio.sleep(1.1)  # creation times have seconds; the names below would decide otherwise
        await create_nmstate(admin, "a-second")

        async def alone() -> bool:
            return [one.uid for one in (await admin.list(NMSTATES)).items] == [first.uid]

        assert await eventually(alone)
