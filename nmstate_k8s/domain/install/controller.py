"""The controller (and, with it, the webhook): an ordinary, unprivileged Deployment.

Its pods prefer the control plane's nodes but do not insist on them, are spread over nodes, and run twice where
that helps: where more than one node of the control plane can take them.
"""

from __future__ import annotations

__all__ = ["CONTROLLER_NAME", "NodeTaints", "replicas", "placement", "deployment", "disruption_budget"]

from collections.abc import Iterable, Sequence

from msgspec import Struct

from nmstate_k8s.api.meta import WEBHOOK_COMPONENT
from nmstate_k8s.api.model import to_json
from nmstate_k8s.api.nmstate import NMStateSpec, SelfSignConfiguration
from nmstate_k8s.api.scheduling import Toleration
from nmstate_k8s.domain.install.kinds import DISRUPTION_BUDGETS
from nmstate_k8s.domain.install.monitoring import metrics_address, metrics_port
from nmstate_k8s.domain.install.pods import (
    API_MOUNT,
    HEALTH_PORT,
    LINUX,
    WEBHOOK_PORT,
    api_volume,
    field,
    probe,
    variables,
)
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack
from nmstate_k8s.domain.kinds import DEPLOYMENTS

CONTROLLER_NAME = "nmstate-webhook"

# The second is what clusters before Kubernetes 1.24 say.
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


class Taint(Struct, frozen=True):
    """What keeps pods from a node that do not tolerate it."""

    key: str = ""
    value: str = ""
    effect: str = ""


class _NodeSpec(Struct, frozen=True):
    taints: tuple[Taint, ...] = ()


class NodeTaints(Struct, frozen=True):
    """What of a Node decides how many controllers run."""

    spec: _NodeSpec = _NodeSpec()


def replicas(nodes: Iterable[NodeTaints], tolerations: Sequence[Toleration]) -> int:
    """Two where more than one node has a control-plane taint that is tolerated, else one."""
    accepted = tolerations or _default_tolerations()
    taken = sum(
        any(taint.key in _CONTROL_PLANE and _tolerated(taint, accepted) for taint in node.spec.taints) for node in nodes
    )
    return 2 if taken > 1 else 1


def _tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    return any(
        toleration.key in ("", None, taint.key)
        and toleration.effect in ("", None, taint.effect)
        and (toleration.operator == "Exists" or (toleration.value or "") == taint.value)
        for toleration in tolerations
    )


def _default_tolerations() -> tuple[Toleration, ...]:
    return tuple(Toleration(key=key, operator="Exists", effect="NoSchedule") for key in _CONTROL_PLANE)


def deployment(stack: Stack, count: int) -> Manifest:
    """The Deployment of the controller, with ``count`` replicas."""
    return stack.manifest(
        DEPLOYMENTS,
        stack.name(CONTROLLER_NAME),
        {
            "metadata": {"labels": stack.pod_labels(CONTROLLER_NAME, WEBHOOK_COMPONENT)},
            "spec": {
                "replicas": count,
                "selector": {"matchLabels": stack.selector(CONTROLLER_NAME, WEBHOOK_COMPONENT)},
                "template": {
                    "metadata": {
                        "labels": stack.pod_labels(CONTROLLER_NAME, WEBHOOK_COMPONENT),
                        "annotations": {
                            "kubectl.kubernetes.io/default-container": CONTROLLER_NAME,
                        },
                    },
                    "spec": _pod(stack),
                },
            },
        },
    )


def disruption_budget(stack: Stack) -> Manifest:
    """One at a time may be evicted; so a single replica never blocks the draining of its node."""
    return stack.manifest(
        DISRUPTION_BUDGETS,
        stack.name(CONTROLLER_NAME),
        {
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": stack.selector(CONTROLLER_NAME, WEBHOOK_COMPONENT)},
            }
        },
    )


def _pod(stack: Stack) -> Body:
    return {
        "serviceAccountName": stack.name("nmstate-controller"),
        "automountServiceAccountToken": False,
        "priorityClassName": "system-cluster-critical",
        **placement(stack.spec),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": stack.selector(CONTROLLER_NAME, WEBHOOK_COMPONENT)},
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(stack)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, api_volume()],
    }


def placement(spec: NMStateSpec) -> Body:
    """Where the pods of Deployments run: as the NMState says, by default on the control plane's nodes first."""
    return {
        "nodeSelector": dict(spec.infra_node_selector) or LINUX,
        "tolerations": [to_json(one) for one in spec.infra_tolerations or _default_tolerations()],
        "affinity": to_json(spec.infra_affinity) if spec.infra_affinity is not None else _prefer_control_plane(),
    }


def _prefer_control_plane() -> Body:
    chosen = {"matchExpressions": [{"key": _CONTROL_PLANE[0], "operator": "Exists"}]}
    return {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": chosen}]}
    }


def _container(stack: Stack) -> Body:
    settings = stack.settings
    return {
        "name": CONTROLLER_NAME,
        "image": settings.handler_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["nmstate-handler", "controller"],
        "env": [
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("NODE_NAME", "spec.nodeName"),
            *variables(_environment(stack)),
        ],
        "ports": _ports(stack.spec),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "resources": {"requests": {"cpu": "30m", "memory": "64Mi"}},
        "readinessProbe": probe("/readyz", period=3, failures=3),
        "livenessProbe": probe("/healthz", period=10, failures=6),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, API_MOUNT],  # a path in the pod
    }


def _ports(spec: NMStateSpec) -> list[Body]:
    ports = {"health": HEALTH_PORT, "metrics": metrics_port(spec), "webhook": WEBHOOK_PORT}
    return [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items() if port]


def _environment(stack: Stack) -> dict[str, str]:
    """What the controller is told; a change of any of it rolls the Deployment out."""
    spec = stack.spec
    certificates = spec.self_sign_configuration or SelfSignConfiguration()
    told = {
        "HANDLER_NAMESPACE": stack.namespace,
        "LOG_LEVEL": spec.log_level,
        "HEALTH_ADDRESS": f":{HEALTH_PORT}",
        "METRICS_ADDRESS": metrics_address(spec),
        "WEBHOOK_ADDRESS": f":{WEBHOOK_PORT}",
        "CA_ROTATE_INTERVAL": certificates.ca_rotate_interval,
        "CA_OVERLAP_INTERVAL": certificates.ca_overlap_interval,
        "CERT_ROTATE_INTERVAL": certificates.cert_rotate_interval,
        "CERT_OVERLAP_INTERVAL": certificates.cert_overlap_interval,
    }
    if stack.settings.prefix:
        told["HANDLER_PREFIX"] = stack.settings.prefix
    if spec.allow_dispatch:
        told["ALLOW_DISPATCH"] = "true"
    return told
