"""The operator's own rules: what its manifests grant it (hack/render-install writes them).

- It may write what it installs, in its own namespace, and the objects of the cluster that belong to it; it
  runs no pod by itself, impersonates nobody, and of Secrets makes one, empty, in its own namespace.
- It deletes what it does not ask for any more, or cannot change; never a CRD or a namespace.
- To grant the rules of ``access`` it holds them itself, since it has neither ``escalate`` nor ``bind``.
"""

from __future__ import annotations

__all__ = ["operator_access"]

from collections.abc import Iterable, Sequence

from nmstate_k8s.api.crd import custom_resource_definitions
from nmstate_k8s.api.meta import APP_LABEL, APP_OPERATOR, GROUP, OPERATOR_LEASE
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.domain.install.access import CONTROLLER, CONTROLLER_NAMESPACE, EVENTS, HANDLER, READ, READER, Rule
from nmstate_k8s.domain.install.kinds import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from nmstate_k8s.domain.install.monitoring import DISCOVERY, METRICS_READER
from nmstate_k8s.domain.install.stack import EVENTS_NAMESPACE, Body

_ACCOUNT = "nmstate-operator"
_MANAGE = (*READ, "create", "patch", "delete")
_RBAC = "rbac.authorization.k8s.io"


def _cluster(namespace: str) -> tuple[Rule, ...]:
    definitions = tuple(definition["metadata"]["name"] for definition in custom_resource_definitions().values())
    installed = tuple(name for name in definitions if not name.startswith("nmstates."))
    return (
        Rule(GROUP, ("nmstates",), ("delete",)),  # a second one
        Rule(GROUP, ("nmstates/status",), ("patch",)),
        Rule("apiextensions.k8s.io", ("customresourcedefinitions",), ("list", "watch")),
        Rule("apiextensions.k8s.io", ("customresourcedefinitions",), ("get", "create", "patch"), installed),
        Rule("", ("namespaces",), ("list", "watch")),
        Rule("", ("namespaces",), ("get", "create", "patch"), (namespace,)),
        Rule(_RBAC, ("clusterroles", "clusterrolebindings"), _MANAGE),
        Rule(
            "admissionregistration.k8s.io",
            (
                "mutatingwebhookconfigurations",
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
                "validatingwebhookconfigurations",
            ),
            _MANAGE,
        ),
        Rule("security.openshift.io", ("securitycontextconstraints",), _MANAGE),
        Rule("console.openshift.io", ("consoleplugins",), _MANAGE),
        *_distinct((*READER, *HANDLER, *CONTROLLER)),
        METRICS_READER,
    )


_NAMESPACED = (
    Rule("", ("serviceaccounts",), _MANAGE),
    Rule("apps", ("daemonsets", "deployments"), _MANAGE),
    Rule("policy", ("poddisruptionbudgets",), _MANAGE),
    Rule("networking.k8s.io", ("networkpolicies",), _MANAGE),
    Rule("", ("configmaps", "services"), _MANAGE),
    Rule("", ("secrets",), (*_MANAGE, "update")),
    Rule("monitoring.coreos.com", ("servicemonitors", "prometheusrules"), _MANAGE),
    Rule(_RBAC, ("roles", "rolebindings"), _MANAGE),
    Rule("coordination.k8s.io", ("leases",), ("get", "patch", "update"), (OPERATOR_LEASE,)),
    *CONTROLLER_NAMESPACE,
    *DISCOVERY,
)

_EVENTS = (
    Rule(_RBAC, ("roles", "rolebindings"), _MANAGE),
    Rule("discovery.k8s.io", ("endpointslices",), READ),
    *EVENTS,
)


def operator_access(namespace: str) -> Iterable[Body]:
    """The operator's roles and bindings, for an operator that runs in ``namespace``."""
    yield from _grant(CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, "", namespace, _cluster(namespace))
    yield from _grant(ROLES, ROLE_BINDINGS, namespace, namespace, _NAMESPACED)
    yield from _grant(ROLES, ROLE_BINDINGS, EVENTS_NAMESPACE, namespace, _EVENTS)


def _grant(roles: Resource, bindings: Resource, where: str, namespace: str, rules: Sequence[Rule]) -> Iterable[Body]:
    metadata: Body = {"name": _ACCOUNT, "labels": {APP_LABEL: APP_OPERATOR}}
    if where:
        metadata["namespace"] = where
    yield {
        "apiVersion": roles.api_version,
        "kind": roles.kind,
        "metadata": metadata,
        "rules": [rule.to_dict() for rule in rules],
    }
    yield {
        "apiVersion": bindings.api_version,
        "kind": bindings.kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": roles.kind, "name": _ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": namespace}],
    }


def _distinct(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The verbs of each resource once, as rules that are as few as they can be."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for resource in rule.resources:
            verbs.setdefault((rule.group, resource), set()).update(rule.verbs)
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), allowed in sorted(verbs.items()):
        merged.setdefault((group, tuple(sorted(allowed))), []).append(resource)
    return tuple(Rule(group, tuple(resources), allowed) for (group, allowed), resources in merged.items())
