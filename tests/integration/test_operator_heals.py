"""What others do to the installation, object by object, is undone by an operator that nobody asks.

Every object that is installed, of every kind: deleted; each of the fields that matter changed, and taken away.
"""

from __future__ import annotations

from typing import Any

import pytest

from nmstate_k8s.api.conditions import NMStatePhase
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.drift import holds
from nmstate_k8s.domain.install.kinds import NAMESPACES
from nmstate_k8s.domain.install.stack import Manifest
from nmstate_k8s.domain.kinds import CRDS
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.installkit import (
    create_nmstate,
    eventually,
    in_phase,
    live,
    manifests,
    operator,
)

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

OUTLIVING = (CRDS, NAMESPACES)
"""Whose deletion takes policies, or the operator itself, with it: nothing that could be undone."""

WRONG: dict[str, Any] = {
    # Kind: a merge patch that leaves it valid, and wrong. Kinds that are not named here: by a label.
    "": {"metadata": {"labels": {"app.kubernetes.io/part-of": "wrong"}}},
    "CustomResourceDefinition": {"spec": {"names": {"shortNames": ["wrong"]}}},
    "Namespace": {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    "ServiceAccount": {"automountServiceAccountToken": True},
    "ClusterRole": {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]},
    "Role": {"rules": []},
    "ClusterRoleBinding": {"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]},
    "RoleBinding": {"subjects": []},
    "ValidatingAdmissionPolicy": {"spec": {"failurePolicy": "Ignore"}},
    "ValidatingAdmissionPolicyBinding": {"spec": {"validationActions": ["Warn"]}},
    "NetworkPolicy": {"spec": {"ingress": [{}]}},
    "Service": {"spec": {"selector": {"name": "wrong"}}},
    "Deployment": {"spec": {"template": {"spec": {"hostPID": True}}}},
    "PodDisruptionBudget": {"spec": {"maxUnavailable": 0}},
    "DaemonSet": {"spec": {"template": {"spec": {"nodeSelector": {"no": "where"}}}}},
}

EXTRA = {"DaemonSet": (b'"no":"where"',), "Deployment": (b'"hostPID":true',)}
"""Of that, what is added to what we ask for: nothing that we ask for differs by it."""

TAKEN: dict[str, Any] = {
    # Kind: a merge patch that takes away what we ask for.
    "": {"metadata": {"labels": {"app.kubernetes.io/part-of": None}}},
    "Service": {"metadata": {"labels": {"app.kubernetes.io/part-of": None}}},
    "CustomResourceDefinition": {"metadata": {"labels": {"app.kubernetes.io/part-of": None}}},
    "Namespace": {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None}}},
    "ServiceAccount": {"automountServiceAccountToken": None},
    "ClusterRole": {"rules": None},
    "Role": {"rules": None},
    "ClusterRoleBinding": {"subjects": None},
    "RoleBinding": {"subjects": None},
    "ValidatingAdmissionPolicy": {
        "spec": {"matchConditions": None, "variables": None, "validations": [{"expression": "true"}]}
    },
    "ValidatingAdmissionPolicyBinding": {"metadata": {"ownerReferences": None}},
    "NetworkPolicy": {"spec": {"ingress": None}},
    "Deployment": {"spec": {"template": {"spec": {"securityContext": None}}}},
    "PodDisruptionBudget": {"spec": {"maxUnavailable": None, "minAvailable": 1}},
    "DaemonSet": {"spec": {"template": {"spec": {"priorityClassName": None, "tolerations": None}}}},
}


async def installed(admin: Client) -> tuple[Manifest, ...]:
    """An NMState, when all that it stands for is there."""
    nmstate = await create_nmstate(admin)
    await in_phase(admin, NMStatePhase.DEPLOYING)
    wanted = manifests(nmstate)
    for manifest in wanted:
        await eventually(lambda one=manifest: live(admin, one))  # type: ignore[misc]
    return wanted


def is_right(manifest: Manifest, found: Object) -> bool:
    """Whether it is what we ask for, and has nothing but what we ask for and what the server adds to it."""
    added = [one for one in EXTRA.get(manifest.resource.kind, ()) if one in found.raw]
    return holds(manifest.body, found.to_dict()) and not added


async def mended(admin: Client, manifest: Manifest) -> None:
    """Wait until it is as it ought to be."""

    async def so() -> bool:
        return is_right(manifest, await live(admin, manifest))

    try:
        await eventually(so, seconds=60)
    except TimeoutError:
        raise AssertionError(f"{manifest} was left as it is") from None


@pytest.mark.parametrize("harm", [WRONG, TAKEN], ids=["changed", "taken away"])
async def test_a_field_comes_back(plane: ControlPlane, admin: Client, harm: dict[str, Any]) -> None:
    """Of every object, of every kind."""
    async with operator(plane, admin):
        for manifest in await installed(admin):
            resource, (namespace, name) = manifest.resource, manifest.key
            found = await admin.merge_patch(resource, name, harm.get(resource.kind, harm[""]), namespace=namespace)
            assert not is_right(manifest, found), f"{manifest}: no harm was done"
            await mended(admin, manifest)


async def test_an_object_comes_back(plane: ControlPlane, admin: Client) -> None:
    """Deleted one after the other, each is made anew, for the same owner."""
    async with operator(plane, admin):
        for manifest in await installed(admin):
            if manifest.resource in OUTLIVING:
                continue
            before = await live(admin, manifest)
            await admin.delete(manifest.resource, manifest.key.name, manifest.key.namespace, uid=before.uid)
            await mended(admin, manifest)
            assert (await live(admin, manifest)).uid != before.uid


async def test_our_label_comes_back(plane: ControlPlane, admin: Client) -> None:
    """Without it an object is none of ours at first sight; it is found again by its name."""
    async with operator(plane, admin):
        for manifest in await installed(admin):
            resource, (namespace, name) = manifest.resource, manifest.key
            await admin.merge_patch(resource, name, {"metadata": {"labels": {"app": None}}}, namespace=namespace)
            await mended(admin, manifest)
