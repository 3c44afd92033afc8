"""A cluster as the Go system leaves it, from the contract's facts: its kinds, its objects, its results.

Whatever it wrote, it wrote by updates under managers of its own; its enactments have no spec, belong to their Nodes,
and their conditions speak of no generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.domain.install.kinds import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES, SERVICE_ACCOUNTS
from nmstate_k8s.domain.kinds import (
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENACTMENTS,
    NMSTATES,
    NODE_STATES,
    NODES,
    PODS,
    POLICIES,
)
from nmstate_k8s.testing.apiserver import ControlPlane

__all__ = ["NODES_OF", "POLICIES_OF", "definitions", "enactment", "installed", "leave_behind", "old_kinds"]

MANAGER = "manager"
TIME = "2026-01-01T00:00:00Z"
NODES_OF = ("node1", "node2")
POLICIES_OF: dict[str, dict[str, Any]] = {
    "fits": {"desiredState": {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "mtu": 1500}]}},
    "failed": {"desiredState": {"interfaces": [{"name": "eth666", "type": "ethernet", "state": "up"}]}},
}
OLD_PROGRAM = {"image": "old:1"}


def definitions() -> list[dict[str, Any]]:
    """The four kinds, in their versions, with a schema that says nothing of what came later."""
    return [
        _definition(resource, short, versions)
        for resource, short, versions in (
            (POLICIES, "nncp", ("v1", "v1beta1")),
            (ENACTMENTS, "nnce", ("v1beta1",)),
            (NODE_STATES, "nns", ("v1beta1",)),
            (NMSTATES, "", ("v1", "v1beta1")),
        )
    ]


def old_kinds(plane: ControlPlane) -> None:
    """They are served."""
    for body in definitions():
        plane.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)


def _definition(resource: Resource, short: str, versions: tuple[str, ...]) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything, "status": anything}}
    names = {"plural": resource.plural, "kind": resource.kind, "shortNames": [short] if short else []}
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.kind,
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "names": names,
            "scope": "Cluster",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[0],
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
                for version in versions
            ],
        },
    }


async def leave_behind(admin: Client) -> Object:
    """Everything that the Go system has on a cluster of two nodes and two policies; the NMState."""
    await admin.apply(NAMESPACES, {"metadata": {"name": "nmstate"}}, field_manager="kubectl")
    nmstate = await admin.create(NMSTATES, {"metadata": {"name": "nmstate"}}, field_manager="kubectl")
    await installed(admin, nmstate)
    policies = {name: await _policy(admin, name, spec) for name, spec in POLICIES_OF.items()}
    for name in NODES_OF:
        node = await _node(admin, name)
        for policy in policies.values():
            await enactment(admin, node, policy)
    return nmstate


async def installed(admin: Client, nmstate: Object, program: Mapping[str, Any] = OLD_PROGRAM) -> None:
    """Accounts with more rights than they need, workloads with other selectors and with options that we never name.

    :param program: what each container runs, on a cluster where pods run.
    """
    owner = {"apiVersion": "nmstate.io/v1", "kind": "NMState", "name": nmstate.name, "uid": nmstate.uid}
    owner |= {"controller": True, "blockOwnerDeletion": True}

    def named(name: str, namespace: str = "") -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": name, "labels": {"app": "kubernetes-nmstate"}, "ownerReferences": [owner]}
        return {**metadata, "namespace": namespace} if namespace else metadata

    async def create(resource: Resource, body: dict[str, Any]) -> None:
        await admin.create(resource, body, field_manager=MANAGER)

    await create(SERVICE_ACCOUNTS, {"metadata": named("nmstate-handler", "nmstate")})
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    await create(CLUSTER_ROLES, {"metadata": named("nmstate-handler"), "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "nmstate-handler", "namespace": "nmstate"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    await create(CLUSTER_ROLE_BINDINGS, {"metadata": named("nmstate-handler"), "subjects": [subject], "roleRef": role})
    for resource, name, component in (
        (DAEMONSETS, "nmstate-handler", "kubernetes-nmstate-handler"),
        (DEPLOYMENTS, "nmstate-webhook", "kubernetes-nmstate-webhook"),
        (DEPLOYMENTS, "nmstate-cert-manager", "kubernetes-nmstate-cert-manager"),
    ):
        labels = {"app": "kubernetes-nmstate", "component": component, "name": name}
        container = {"name": name, "env": [{"name": "OLD", "value": "1"}], **program}
        pod = {
            "hostPID": True,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            "serviceAccountName": "nmstate-handler",
        }
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"selector": {"matchLabels": {"app": "kubernetes-nmstate", "name": name}}, "template": template}
        await create(resource, {"metadata": named(name, "nmstate"), "spec": spec})


async def _policy(admin: Client, name: str, spec: dict[str, Any]) -> Object:
    """A user's policy, and what the handlers said of it."""
    await admin.create(POLICIES, {"metadata": {"name": name}, "spec": spec}, field_manager="kubectl")
    true = "Degraded" if name == "failed" else "Available"
    types = ("Available", "Degraded", "Progressing", "Ignored")
    status = {"conditions": _conditions(types, true, "SuccessfullyConfigured"), "unavailableNodeCount": 0}
    return await _say(admin, POLICIES, name, status)


async def _node(admin: Client, name: str) -> Object:
    """A node with a handler on it, which has reported."""
    node = await admin.create(NODES, {"metadata": {"name": name}})
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}]}
    await admin.merge_patch(NODES, name, {"status": ready}, subresource="status")
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.uid}
    labels = {"app": "kubernetes-nmstate", "component": "kubernetes-nmstate-handler", "name": "nmstate-handler"}
    pod = {"nodeName": name, "serviceAccountName": "nmstate-handler", "containers": [{"name": "h", "image": "old:1"}]}
    metadata = {"name": f"handler-{name}", "namespace": "nmstate", "labels": labels}
    await admin.create(PODS, {"metadata": metadata, "spec": pod})
    await admin.create(NODE_STATES, {"metadata": {"name": name, "ownerReferences": [owner]}}, field_manager=MANAGER)
    await _say(admin, NODE_STATES, name, {"currentState": {"interfaces": []}, "lastSuccessfulUpdateTime": TIME})
    return node


async def enactment(admin: Client, node: Object, policy: Object) -> None:
    """What a node made of a policy."""
    name = f"{node.name}.{policy.name}"
    labels = {"nmstate.io/node": node.name, "nmstate.io/policy": policy.name}
    owner = {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}
    body = {"metadata": {"name": name, "labels": labels, "ownerReferences": [owner]}}
    await admin.create(ENACTMENTS, body, field_manager=MANAGER)
    true, reason = (
        ("Failing", "FailedToConfigure") if policy.name == "failed" else ("Available", "SuccessfullyConfigured")
    )
    types = ("Failing", "Available", "Progressing", "Pending", "Aborted")
    desired = policy.to_dict()["spec"]["desiredState"]
    status = {
        "conditions": _conditions(types, true, reason),
        "desiredState": desired,
        "desiredStateMetaInfo": {"version": "0", "time": TIME},
        "policyGeneration": policy.metadata.generation,
    }
    await _say(admin, ENACTMENTS, name, status)


async def _say(admin: Client, resource: Resource, name: str, status: dict[str, Any]) -> Object:
    return await admin.merge_patch(resource, name, {"status": status}, subresource="status", field_manager=MANAGER)


def _conditions(types: tuple[str, ...], true: str, reason: str) -> list[dict[str, str]]:
    times = {"lastHeartbeatTime": TIME, "lastTransitionTime": TIME}
    return [{"type": one, "status": str(one == true), "reason": reason, "message": "", **times} for one in types]
