"""The controller (and, with it, the webhook): an ordinary, unprivileged Deployment.

Its pods prefer the control plane's nodes but do not insist on them, are spread over nodes, and run twice where
that helps: where more than one node of the control plane can take them.

With ``hostNetwork`` they are on the network of their nodes, at ports of their own there. Two of them are never on one
node then, so that one is replaced by ending it first.
"""

from __future__ import annotations

__all__ = [
    "CONTROLLER_ACCOUNT",
    "CONTROLLER_NAME",
    "NodeTaints",
    "replicas",
    "placement",
    "deployment",
    "disruption_budget",
]

from collections.abc import Iterable, Sequence
from typing import TypedDict

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
    HOST_HEALTH_PORT,
    HOST_WEBHOOK_PORT,
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
CONTROLLER_ACCOUNT = "nmstate-controller"

# The second is what clusters before Kubernetes 1.24 say.
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


_LEAVING_SECONDS = 5
"""For which a pod that is to end is still there for who calls: API server and proxies hear of it later than the pod
does, by less than a second as a rule, and a webhook that cannot be reached is passed over."""


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


_UNREADY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def is_unready(node: NodeTaints) -> bool:
    """Whether a node is not Ready: Kubernetes says so by a taint."""
    return any(taint.key in _UNREADY for taint in node.spec.taints)


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
                "strategy": {"type": "RollingUpdate", "rollingUpdate": _replacing(stack.spec)},
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


def _replacing(spec: NMStateSpec) -> Body:
    """A new pod first; on the host's network the old one has the ports as long as it is there."""
    return {"maxSurge": 0, "maxUnavailable": 1} if spec.host_network else {"maxSurge": 1, "maxUnavailable": 0}


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
        "serviceAccountName": stack.name(CONTROLLER_ACCOUNT),
        "automountServiceAccountToken": False,
        "priorityClassName": "system-cluster-critical",
        **placement(stack.spec),
        **({"hostNetwork": True, "dnsPolicy": "Default"} if stack.spec.host_network else {}),
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
        "readinessProbe": probe("/readyz", period=3, failures=3, **_health(stack.spec)),
        "livenessProbe": probe("/healthz", period=10, failures=6, **_health(stack.spec)),
        "lifecycle": {"preStop": {"sleep": {"seconds": _LEAVING_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, API_MOUNT],  # a path in the pod
    }


class _Health(TypedDict):
    host: str
    port: int


def _health(spec: NMStateSpec) -> _Health:
    """Where the kubelet asks; on the host's network nobody else needs to."""
    return {"host": "127.0.0.1", "port": HOST_HEALTH_PORT} if spec.host_network else {"host": "", "port": HEALTH_PORT}


def webhook_port(spec: NMStateSpec) -> int:
    """Where the webhooks are served."""
    return HOST_WEBHOOK_PORT if spec.host_network else WEBHOOK_PORT


def _ports(spec: NMStateSpec) -> list[Body]:
    """The API server fills in a port of the host for each, so they are said: what is said is compared."""
    ports = {"health": _health(spec)["port"], "metrics": metrics_port(spec), "webhook": webhook_port(spec)}
    return [
        {"name": name, "containerPort": port, "protocol": "TCP", **({"hostPort": port} if spec.host_network else {})}
        for name, port in ports.items()
        if port
    ]


def _environment(stack: Stack) -> dict[str, str]:
    """What the controller is told; a change of any of it rolls the Deployment out."""
    spec = stack.spec
    certificates = spec.self_sign_configuration or SelfSignConfiguration()
    told = {
        "HANDLER_NAMESPACE": stack.namespace,
        "LOG_LEVEL": spec.log_level,
        "HEALTH_ADDRESS": "{host}:{port}".format(**_health(spec)),
        "METRICS_ADDRESS": metrics_address(spec),
        "WEBHOOK_ADDRESS": f":{webhook_port(spec)}",
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
