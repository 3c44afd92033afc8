"""What somebody who has broken out of a container might send with the token of a node's handler.

Two nodes: `mine`, whose handler's token it is, and `other`. Each has a NodeNetworkState and an enactment of the policy
`p`; `new` has a handler, and no NodeNetworkState yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.events import EVENTS
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.domain.install.kinds import CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS
from nmstate_k8s.domain.kinds import DAEMONSETS, ENACTMENTS, LEASES, NMSTATES, NODE_STATES, NODES, PODS, POLICIES

__all__ = ["HOSTILE", "Hostile", "Holder"]

Holder = Literal["mine", "new", "unbound", "nowhere", "outlived"]
"""Whose token: of a pod on that node; bound to nothing; to a pod on no node; to a pod that is gone."""

_MERGE, _JSON, _APPLY = "application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True)


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request."""

    name: str
    send: Callable[[Client], Any]
    holder: Holder = "mine"
    guarded: bool = True
    """Refused by an admission policy even where a role would allow it. (To replace a whole needs its version.)"""


def _request(
    name: str,
    method: str,
    resource: Resource,
    target: str,
    body: Any = None,
    *,
    sub: str = "",
    content: str = "application/json",
    namespace: str = "",
    holder: Holder = "mine",
    guarded: bool = True,
) -> Hostile:
    if isinstance(body, Mapping):
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    path = resource.path(target, namespace, sub)
    query = {"fieldManager": "x", "force": "true"} if content == _APPLY else {}
    return Hostile(
        name, lambda client: client.request(method, path, body, query, content_type=content), holder, guarded
    )


def _meta(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **more}}


def _merge(name: str, resource: Resource, target: str, patch: Any, **more: Any) -> Hostile:
    return _request(name, "PATCH", resource, target, patch, content=_MERGE, **more)


def _json(name: str, resource: Resource, target: str, path: str, value: Any, **more: Any) -> Hostile:
    operations = [{"op": "add", "path": path, "value": value}]
    return _request(name, "PATCH", resource, target, operations, content=_JSON, **more)


def _apply(name: str, resource: Resource, target: str, body: Any, **more: Any) -> Hostile:
    return _request(name, "PATCH", resource, target, {**_meta(target), **body}, content=_APPLY, **more)


def _create(name: str, resource: Resource, body: Any, **more: Any) -> Hostile:
    return _request(name, "POST", resource, "", body, **more)


def _delete(name: str, resource: Resource, target: str, **more: Any) -> Hostile:
    return _request(name, "DELETE", resource, target, **more)


def _owner(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"apiVersion": "v1" if kind == "Node" else "nmstate.io/v1", "kind": kind, "name": name, "uid": "u"}]


_LIE: dict[str, Any] = {"status": {"policyGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]}}
_STATE: dict[str, Any] = {"status": {"currentState": {"interfaces": [{"name": "eth0"}]}}}
_SPEC: dict[str, Any] = {"spec": {"policyGeneration": 9, "desiredState": {"interfaces": []}}}
_OF_OTHER = {"nmstate.io/node": "other", "nmstate.io/policy": "p"}
_NO_SPEAKER: dict[str, Any] = {
    **_meta("hostile", namespace="default"),
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "type": "Normal",
    "reason": "Fine",
    "action": "Fine",
    "reportingController": "nmstate-controller",
    "reportingInstance": "controller-0",
    "regarding": {"kind": "Node", "name": "other"},
}
_SERIES = {"count": 999, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}
_AS_OTHERS = {"reportingController": "nmstate-handler", "reportingInstance": "handler-other"}

_STATES = (
    _create("another node's state", NODE_STATES, _meta("somebody")),
    _create("a state of no node", NODE_STATES, _meta("x.y.z")),
    _create("a state by a generated name", NODE_STATES, {"metadata": {"generateName": "mine"}}),
    _apply("to apply another's state", NODE_STATES, "other", {}),
    _apply("to make another's state by applying it", NODE_STATES, "third", {}),
    _apply("the status of another's state, applied", NODE_STATES, "other", _STATE, sub="status"),
    _merge("the status of another's state, merged", NODE_STATES, "other", _STATE, sub="status"),
    _json("the status of another's state, by operations", NODE_STATES, "other", "/status", {}, sub="status"),
    _request(
        "another's state as a whole",
        "PUT",
        NODE_STATES,
        "other",
        {**_meta("other"), **_STATE},
        sub="status",
        guarded=False,
    ),
    _request("its own state as a whole", "PUT", NODE_STATES, "mine", _meta("mine", labels={"a": "b"}), guarded=False),
    _merge("labels of its own state", NODE_STATES, "mine", _meta("mine", labels={"a": "b"})),
    _json("finalizers of its own state", NODE_STATES, "mine", "/metadata/finalizers", ["x.io/y"]),
    _json("owners of its own state", NODE_STATES, "mine", "/metadata/ownerReferences", _owner("Node", "other")),
    _delete("to delete its own state", NODE_STATES, "mine"),
    _delete("to delete another's state", NODE_STATES, "other"),
    _delete("to delete all states", NODE_STATES, ""),
    _create("its state, that cannot be deleted", NODE_STATES, _meta("new", finalizers=["x.io/y"]), holder="new"),
    _create("its state, with labels", NODE_STATES, _meta("new", labels=_OF_OTHER), holder="new"),
    _create(
        "its state, of another node", NODE_STATES, _meta("new", ownerReferences=_owner("Node", "other")), holder="new"
    ),
    _create(
        "its state, of a policy",
        NODE_STATES,
        _meta("new", ownerReferences=_owner("NodeNetworkConfigurationPolicy", "p")),
        holder="new",
    ),
)
_ENACTMENTS = (
    _create("an enactment of its own", ENACTMENTS, _meta("mine.q", labels={"nmstate.io/node": "mine"})),
    _create("an enactment of another node", ENACTMENTS, _meta("other.q", labels=_OF_OTHER)),
    _apply("an enactment, applied", ENACTMENTS, "mine.q", _SPEC),
    _apply("the status of another's, applied", ENACTMENTS, "other.p", _LIE, sub="status"),
    _merge("the status of another's, merged", ENACTMENTS, "other.p", _LIE, sub="status"),
    _json("the status of another's, by operations", ENACTMENTS, "other.p", "/status", _LIE["status"], sub="status"),
    _merge("the status of one without a node", ENACTMENTS, "nobody.p", _LIE, sub="status"),
    _merge("the status of one that is only called as if", ENACTMENTS, "mine.fake", _LIE, sub="status"),
    _merge("what its own enactment says", ENACTMENTS, "mine.p", _SPEC),
    _apply("what its own enactment says, by force", ENACTMENTS, "mine.p", _SPEC),
    _json("whose its own enactment is", ENACTMENTS, "mine.p", "/metadata/labels/nmstate.io~1node", "other"),
    _json("finalizers of its own enactment", ENACTMENTS, "mine.p", "/metadata/finalizers", ["x.io/y"]),
    _request("its own enactment as a whole", "PUT", ENACTMENTS, "mine.p", {**_meta("mine.p"), **_SPEC}, guarded=False),
    _delete("to delete its own enactment", ENACTMENTS, "mine.p"),
    _delete("to delete another's enactment", ENACTMENTS, "other.p"),
    _delete("to delete all enactments", ENACTMENTS, ""),
)
_REST_OF_OURS = (
    _merge("what a policy says", POLICIES, "p", {"spec": {"desiredState": {"interfaces": []}}}),
    _merge("how a policy stands", POLICIES, "p", _LIE, sub="status"),
    _create("a policy", POLICIES, _meta("hostile")),
    _delete("to delete a policy", POLICIES, "p"),
    _merge("what the installation allows", NMSTATES, "nmstate", {"spec": {"allowDispatch": True}}),
    _merge("how the installation stands", NMSTATES, "nmstate", {"status": {"conditions": []}}, sub="status"),
    _create("an event as another part", EVENTS, _NO_SPEAKER, namespace="default"),
    _create("an event as another node", EVENTS, {**_NO_SPEAKER, **_AS_OTHERS}, namespace="default"),
    _merge("another node's event", EVENTS, "of-other", {"series": _SERIES}, namespace="default"),
)
_WITHOUT_A_NODE = tuple(
    _merge(
        f"status, with a token that is {holder}: {resource.plural}", resource, target, body, sub="status", holder=holder
    )
    for holder in ("unbound", "nowhere", "outlived")
    for resource, target, body in ((ENACTMENTS, "mine.p", _LIE), (NODE_STATES, "mine", _STATE))
)
_ELSEWHERE = (
    _merge("labels of its Node", NODES, "mine", _meta("mine", labels={"a": "b"}), guarded=False),
    _merge("the status of its Node", NODES, "mine", {"status": {}}, sub="status", guarded=False),
    _request("secrets", "GET", SECRETS, "", namespace="nmstate", guarded=False),
    _request("pods", "GET", PODS, "", namespace="nmstate", guarded=False),
    _create("a pod", PODS, _meta("x", namespace="nmstate"), namespace="nmstate", guarded=False),
    _merge("its DaemonSet", DAEMONSETS, "nmstate-handler", {"spec": {}}, namespace="nmstate", guarded=False),
    _merge("the leader's lease", LEASES, "nmstate-controller", {"spec": {}}, namespace="nmstate", guarded=False),
    _request(
        "the controller's token",
        "POST",
        SERVICE_ACCOUNTS,
        "nmstate-controller",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        sub="token",
        namespace="nmstate",
        guarded=False,
    ),
    _create(
        "to be the administrator",
        CLUSTER_ROLE_BINDINGS,
        {
            **_meta("hostile"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "nmstate-handler", "namespace": "nmstate"}],
        },
        guarded=False,
    ),
)

HOSTILE = (*_STATES, *_ENACTMENTS, *_REST_OF_OURS, *_WITHOUT_A_NODE, *_ELSEWHERE)
"""All of them."""
