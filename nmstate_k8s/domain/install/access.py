"""Who may do what: the rules of each account as tables, and the objects that grant them.

- Nobody has a wildcard. The node writes the status of enactments and its NodeNetworkState, and nothing else;
  that they are *its own* is what ``admission`` adds, since RBAC does not know who runs where.
- The operator may grant what it installs without ``escalate`` or ``bind``: its rules contain those of the
  accounts that it makes. Its manifests are generated from these tables (hack/render-install).
"""

from __future__ import annotations

__all__ = ["Rule", "HANDLER", "CONTROLLER", "CONTROLLER_NAMESPACE", "EVENTS", "READER", "access"]

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nmstate_k8s.api.meta import CERTIFICATE_SECRET, CONTROLLER_LEASE, GROUP, WEBHOOK_CONFIGURATION
from nmstate_k8s.core.admission import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from nmstate_k8s.domain.install.kinds import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
)
from nmstate_k8s.domain.install.stack import EVENTS_NAMESPACE, Body, Manifest, Stack

READ = ("get", "list", "watch")


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on resources of one group; with ``names``, on those objects only; or on ``urls``."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def to_dict(self) -> Body:
        """The rule as RBAC writes it."""
        if self.urls:
            return {"nonResourceURLs": list(self.urls), "verbs": list(self.verbs)}
        rule: Body = {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}
        return rule | {"resourceNames": list(self.names)} if self.names else rule


HANDLER = (
    Rule(GROUP, ("nodenetworkconfigurationenactments",), READ),
    Rule(GROUP, ("nodenetworkconfigurationenactments/status",), ("patch",)),
    Rule(GROUP, ("nodenetworkstates",), (*READ, "create")),
    Rule(GROUP, ("nodenetworkstates/status",), ("patch",)),
    Rule("", ("nodes",), READ),
)
"""The node: reads what it is to do and its Node, tells how it went."""

CONTROLLER = (
    Rule(GROUP, ("nodenetworkconfigurationpolicies",), READ),
    Rule(GROUP, ("nodenetworkconfigurationpolicies/status",), ("patch",)),
    Rule(GROUP, ("nodenetworkconfigurationenactments",), (*READ, "create", "patch", "delete")),
    Rule(GROUP, ("nodenetworkconfigurationenactments/status",), ("patch",)),
    Rule(GROUP, ("nodenetworkstates", "nmstates"), READ),
    Rule("", ("nodes",), READ),
    Rule("authentication.k8s.io", ("tokenreviews",), ("create",)),
    Rule("authorization.k8s.io", ("subjectaccessreviews",), ("create",)),
)
"""The controller: makes enactments of policies, a summary of enactments, and figures of all that there is, for those
who may see them: whoever asks is shown to the API server."""

CONTROLLER_NAMESPACE = (
    Rule("", ("pods",), READ),
    Rule("coordination.k8s.io", ("leases",), ("create",)),
    Rule("coordination.k8s.io", ("leases",), ("get", "patch", "update"), (CONTROLLER_LEASE,)),
)
"""The controller in its own namespace: which nodes run a handler, and who leads."""

EVENTS = (Rule("events.k8s.io", ("events",), ("create", "patch")),)
"""Everybody, in the namespace of events about cluster-scoped objects."""

READER = (
    Rule(
        GROUP,
        (
            "nmstates",
            "nodenetworkconfigurationenactments",
            "nodenetworkconfigurationpolicies",
            "nodenetworkstates",
        ),
        READ,
    ),
)
"""Whoever may look at the cluster."""


def access(stack: Stack) -> Iterable[Manifest]:
    """The accounts, their roles and the bindings between them."""
    handler, controller = stack.name("nmstate-handler"), stack.name("nmstate-controller")
    for account, rules in ((handler, HANDLER), (controller, CONTROLLER)):
        if account == controller:
            rules = (*rules, _webhooks(stack))
        yield stack.manifest(SERVICE_ACCOUNTS, account, {"automountServiceAccountToken": False})
        yield stack.manifest(CLUSTER_ROLES, account, _rules(rules))
        yield stack.manifest(CLUSTER_ROLE_BINDINGS, account, _binding(CLUSTER_ROLES.kind, account, stack, account))
    yield stack.manifest(ROLES, controller, _rules((*CONTROLLER_NAMESPACE, _certificates(stack))))
    yield stack.manifest(ROLE_BINDINGS, controller, _binding(ROLES.kind, controller, stack, controller))
    events = stack.name("nmstate-events")
    yield stack.manifest(ROLES, events, _rules(EVENTS), namespace=EVENTS_NAMESPACE)
    yield stack.manifest(
        ROLE_BINDINGS,
        events,
        _binding(ROLES.kind, events, stack, handler, controller),
        namespace=EVENTS_NAMESPACE,
    )
    aggregated = {"labels": {"rbac.authorization.k8s.io/aggregate-to-cluster-reader": "true"}}
    yield stack.manifest(
        CLUSTER_ROLES, stack.name("nmstate-cluster-reader"), {"metadata": aggregated, **_rules(READER)}
    )


def _certificates(stack: Stack) -> Rule:
    """What the controller's servers show. It may not create it: whoever may create Secrets may get a token of any
    account of the namespace.
    """
    return Rule("", ("secrets",), (*READ, "update", "delete"), (stack.name(CERTIFICATE_SECRET),))


def _webhooks(stack: Stack) -> Rule:
    """Of the webhook configurations: whom they are to trust."""
    kinds = (MUTATING_WEBHOOKS.plural, VALIDATING_WEBHOOKS.plural)
    return Rule(MUTATING_WEBHOOKS.group, kinds, (*READ, "patch"), (stack.name(WEBHOOK_CONFIGURATION),))


def _rules(rules: Sequence[Rule]) -> Body:
    return {"rules": [rule.to_dict() for rule in rules]}


def _binding(kind: str, role: str, stack: Stack, *accounts: str) -> Body:
    return {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": stack.namespace} for account in accounts],
    }
