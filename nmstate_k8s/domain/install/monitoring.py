"""How Prometheus comes to the controller's figures, and what it makes of them.

- The Service ``nmstate-monitor`` leads to every replica: each tells of itself, the leader of the cluster, too. It
  speaks HTTPS, and the API server says who may read (``core.metricsaccess``): the ClusterRole
  ``nmstate-metrics-reader`` gives the right.
- Where Prometheus' operator is (its kinds are served), a ServiceMonitor and a PrometheusRule (``monitoring_rules``)
  are installed, and its usual account in MONITORING_NAMESPACE may find the pods and read the figures.
- ``metricsConfiguration.bindAddress: "0"`` serves nothing, and then none of this is installed.
- Handlers listen on their node's loopback only: nothing here leads to them (docs/monitoring.md).
"""

from __future__ import annotations

__all__ = ["DISCOVERY", "METRICS_READER", "MONITOR_NAME", "metrics_address", "metrics_port", "monitoring"]

from collections.abc import Collection, Iterable

from nmstate_k8s.api.meta import APP, APP_LABEL, CERTIFICATE_SECRET, MONITOR_SERVICE, WEBHOOK_COMPONENT
from nmstate_k8s.api.nmstate import MetricsConfiguration, NMStateSpec
from nmstate_k8s.domain.install.access import READ, Rule
from nmstate_k8s.domain.install.kinds import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    PROMETHEUS_RULES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_MONITORS,
    SERVICES,
)
from nmstate_k8s.domain.install.monitoring_rules import groups
from nmstate_k8s.domain.install.stack import Body, Manifest, Stack

MONITOR_NAME = MONITOR_SERVICE
MONITOR_LABEL = "prometheus.nmstate.io"

_PORT = 8443
_PROMETHEUS = "prometheus-k8s"
"""The account of Prometheus in OpenShift, and in what Prometheus' operator is usually installed with."""

DISCOVERY = (Rule("", ("services", "endpoints", "pods"), READ), Rule("discovery.k8s.io", ("endpointslices",), READ))
"""What Prometheus reads in the namespace, to find the pods behind the Service."""
METRICS_READER = Rule("", (), ("get",), urls=("/metrics",))
"""The right to read the figures."""

_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_CONTROLLER = "nmstate-webhook"


def metrics_address(spec: NMStateSpec) -> str:
    """Where the controller serves its figures; empty: nowhere."""
    told = spec.metrics_configuration or MetricsConfiguration()
    return "" if told.bind_address == "0" else told.bind_address


def metrics_port(spec: NMStateSpec) -> int:
    """The port of that address; 0 where there is none."""
    return int(metrics_address(spec).rpartition(":")[2] or 0)


def monitoring(stack: Stack, served: Collection[object]) -> Iterable[Manifest]:
    """The objects, of kinds that are ``served``."""
    if not metrics_address(stack.spec):
        return
    yield _service(stack)
    yield from _access(stack)
    if SERVICE_MONITORS in served:
        yield _service_monitor(stack)
    if PROMETHEUS_RULES in served:
        job = stack.name(MONITOR_NAME)  # the label is the Service's name
        yield stack.manifest(
            PROMETHEUS_RULES,
            stack.name(MONITOR_NAME),
            {"metadata": {"labels": {MONITOR_LABEL: "true"}}, "spec": {"groups": groups(job)}},
        )


def _service(stack: Stack) -> Manifest:
    port = {"name": "metrics", "port": _PORT, "protocol": "TCP", "targetPort": "metrics"}
    return stack.manifest(
        SERVICES,
        stack.name(MONITOR_NAME),
        {
            "metadata": {"labels": {MONITOR_LABEL: "true"}},
            "spec": {"selector": stack.selector(_CONTROLLER, WEBHOOK_COMPONENT), "ports": [port]},
        },
    )


def _access(stack: Stack) -> Iterable[Manifest]:
    """To read the figures is a right of its own; to find who has them, one in this namespace."""
    reader, finder = stack.name("nmstate-metrics-reader"), stack.name(MONITOR_NAME)
    account = {"kind": "ServiceAccount", "name": _PROMETHEUS, "namespace": stack.settings.monitoring_namespace}
    yield stack.manifest(CLUSTER_ROLES, reader, {"rules": [METRICS_READER.to_dict()]})
    yield stack.manifest(CLUSTER_ROLE_BINDINGS, reader, _binding(CLUSTER_ROLES.kind, reader, account))
    yield stack.manifest(ROLES, finder, {"rules": [rule.to_dict() for rule in DISCOVERY]})
    yield stack.manifest(ROLE_BINDINGS, finder, _binding(ROLES.kind, finder, account))


def _binding(kind: str, role: str, account: Body) -> Body:
    return {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [account],
    }


def _service_monitor(stack: Stack) -> Manifest:
    """One scrape of each replica every 30 seconds, under the name that their certificate has."""
    endpoint = {
        "port": "metrics",
        "path": "/metrics",
        "scheme": "https",
        "interval": "30s",
        "bearerTokenFile": _TOKEN,
        "tlsConfig": {
            "serverName": f"{stack.name(MONITOR_NAME)}.{stack.namespace}.svc",
            "ca": {"secret": {"name": stack.name(CERTIFICATE_SECRET), "key": "ca.crt"}},
        },
    }
    return stack.manifest(
        SERVICE_MONITORS,
        stack.name(MONITOR_NAME),
        {
            "metadata": {"labels": {MONITOR_LABEL: "true"}},
            "spec": {"selector": {"matchLabels": {MONITOR_LABEL: "true", APP_LABEL: APP}}, "endpoints": [endpoint]},
        },
    )
