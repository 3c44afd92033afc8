"""How the API server comes to the webhooks of the controller: a Service, and configurations that name their paths.

- A policy never depends on them: ``failurePolicy: Ignore`` and seconds to answer. What they would have refused the
  node refuses, and what they would have filled in the controller writes a moment later.
- Whom the API server is to trust (``caBundle``) is the business of the controller's leader, which makes the
  certificates. It is not named here, so an apply leaves it as it is. So with the Secret: made here, filled there.
- A write of a status that brings its conditions, which all of ours are, costs no call.
"""

from __future__ import annotations

__all__ = ["MUTATE_PATH", "STATUS_PATH", "TIMESTAMP_PATH", "VALIDATE_PATH", "webhook"]

from collections.abc import Iterable

from nmstate_k8s.api.meta import CERTIFICATE_SECRET, GROUP, WEBHOOK_COMPONENT, WEBHOOK_CONFIGURATION, WEBHOOK_SERVICE
from nmstate_k8s.core.admission import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from nmstate_k8s.domain.install.controller import CONTROLLER_NAME
from nmstate_k8s.domain.install.kinds import SECRETS, SERVICES
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack
from nmstate_k8s.domain.kinds import POLICIES

MUTATE_PATH = f"/{POLICIES.plural}-mutate"
STATUS_PATH = f"/{POLICIES.plural}-status-mutate"
TIMESTAMP_PATH = f"/{POLICIES.plural}-timestamp-mutate"
VALIDATE_PATH = f"/{POLICIES.plural}-validate"

_MUTATING_SECONDS = 2
_VALIDATING_SECONDS = 5
"""libnmstate reads the state, one policy after the other. The API server asks those who mutate one after the other, so
a policy is written within nine seconds also where pods take calls and never answer.
"""

_WITHOUT_CONDITIONS = "!has(object.status) || !has(object.status.conditions) || size(object.status.conditions) == 0"


def webhook(stack: Stack) -> Iterable[Manifest]:
    """The objects."""
    yield stack.manifest(SECRETS, stack.name(CERTIFICATE_SECRET), {})
    ports = [{"name": "webhook", "port": 443, "protocol": "TCP", "targetPort": "webhook"}]
    selected = stack.selector(CONTROLLER_NAME, WEBHOOK_COMPONENT)
    yield stack.manifest(SERVICES, stack.name(WEBHOOK_SERVICE), {"spec": {"selector": selected, "ports": ports}})
    written, status = ["CREATE", "UPDATE"], f"{POLICIES.plural}/status"
    empty = [{"name": "without-conditions", "expression": _WITHOUT_CONDITIONS}]
    mutating = [
        _hook(stack, MUTATE_PATH, written, POLICIES.plural, _MUTATING_SECONDS),
        _hook(stack, STATUS_PATH, ["UPDATE"], status, _MUTATING_SECONDS) | {"matchConditions": empty},
        _hook(stack, TIMESTAMP_PATH, written, POLICIES.plural, _MUTATING_SECONDS),
    ]
    for hook in mutating:
        hook["reinvocationPolicy"] = "Never"
    name = stack.name(WEBHOOK_CONFIGURATION)
    yield stack.manifest(MUTATING_WEBHOOKS, name, {"webhooks": mutating})
    validating = _hook(stack, VALIDATE_PATH, [*written, "DELETE"], POLICIES.plural, _VALIDATING_SECONDS)
    yield stack.manifest(VALIDATING_WEBHOOKS, name, {"webhooks": [validating]})


def _hook(stack: Stack, path: str, operations: list[str], resource: str, seconds: int) -> Body:
    service = {"name": stack.name(WEBHOOK_SERVICE), "namespace": stack.namespace, "path": path, "port": 443}
    rule = {"apiGroups": [GROUP], "apiVersions": ["*"], "resources": [resource], "scope": "*"}
    return {
        "name": f"{path.removeprefix('/')}.{GROUP}",
        "clientConfig": {"service": service},
        "rules": [{**rule, "operations": operations}],
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": seconds,
    }
