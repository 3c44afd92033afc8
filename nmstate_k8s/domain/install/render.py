"""What an NMState stands for, as a list of objects, in the order in which they are to be made.

- Pure: the same NMState, settings and nodes give the same objects, byte for byte.
- Everything is owned by the NMState and goes with it, except what must outlive it: the CRDs (with them the
  policies and their results would go) and the namespace (the operator lives there).
- Values are written as the API server gives them back, so that comparing tells drift from spelling.
"""

from __future__ import annotations

__all__ = ["render", "installed_kinds"]

from collections.abc import Iterable

from nmstate_k8s.api.crd import custom_resource_definitions
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.domain.install.access import access
from nmstate_k8s.domain.install.admission import admission
from nmstate_k8s.domain.install.controller import deployment, disruption_budget, replicas
from nmstate_k8s.domain.install.handler import daemon_set
from nmstate_k8s.domain.install.kinds import NAMESPACES
from nmstate_k8s.domain.install.monitoring import monitoring
from nmstate_k8s.domain.install.network import network_policies
from nmstate_k8s.domain.install.openshift import openshift
from nmstate_k8s.domain.install.stack import Manifest, Stack
from nmstate_k8s.domain.install.surroundings import UNKNOWN, Surroundings
from nmstate_k8s.domain.install.webhook import webhook
from nmstate_k8s.domain.kinds import CRDS, NMSTATES


def render(stack: Stack, around: Surroundings = UNKNOWN) -> tuple[Manifest, ...]:
    """All objects of the stack, in a cluster like this."""
    return (
        *_definitions(stack),
        _namespace(stack),
        *access(stack),
        *admission(stack),
        *webhook(stack),
        *network_policies(stack, around.api_ports),
        deployment(stack, replicas(around.nodes, stack.spec.infra_tolerations)),
        disruption_budget(stack),
        daemon_set(stack),
        *openshift(stack, around.served),
        *monitoring(stack, around.served),
    )


def _definitions(stack: Stack) -> Iterable[Manifest]:
    """The kinds; NMState's own is the user's to apply: without it there would be nothing to render."""
    for definition in custom_resource_definitions().values():
        if definition["spec"]["names"]["plural"] != NMSTATES.plural:
            yield stack.manifest(CRDS, definition["metadata"]["name"], definition, owned=False)


def _namespace(stack: Stack) -> Manifest:
    """The handler is privileged, so the namespace must allow it; the others pass `restricted` all the same."""
    admits = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    labels = {"name": stack.namespace, **admits}
    return stack.manifest(NAMESPACES, stack.namespace, {"metadata": {"labels": labels}}, owned=False)


def installed_kinds(stack: Stack, around: Surroundings = UNKNOWN) -> tuple[tuple[Resource, str], ...]:
    """Which kinds are installed, and in which namespace: what has to be watched to undo what others do."""
    return tuple(dict.fromkeys((manifest.resource, manifest.key.namespace) for manifest in render(stack, around)))
