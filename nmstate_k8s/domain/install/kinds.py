"""The kinds of the objects that the operator installs, beside those of ``domain.kinds``."""

from __future__ import annotations

__all__ = [
    "NAMESPACES",
    "SERVICE_ACCOUNTS",
    "ROLES",
    "ROLE_BINDINGS",
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "DISRUPTION_BUDGETS",
    "ADMISSION_POLICIES",
    "ADMISSION_POLICY_BINDINGS",
    "NETWORK_POLICIES",
    "SECRETS",
    "SERVICES",
    "SERVICE_MONITORS",
    "PROMETHEUS_RULES",
    "CONFIG_MAPS",
    "SECURITY_CONTEXT_CONSTRAINTS",
    "CONSOLE_PLUGINS",
    "ENDPOINT_SLICES",
]

from nmstate_k8s.core.objects import Resource

_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"

NAMESPACES = Resource("", "v1", "namespaces", "Namespace")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
ROLES = Resource(_RBAC, "v1", "roles", "Role", namespaced=True)
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True)
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole")
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True)
ADMISSION_POLICIES = Resource(_ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy")
ADMISSION_POLICY_BINDINGS = Resource(
    _ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"
)
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", namespaced=True)
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True, metadata_only=True)
"""What is in them is nobody's business who installs them."""
SERVICES = Resource("", "v1", "services", "Service", namespaced=True)
_PROMETHEUS = "monitoring.coreos.com"
SERVICE_MONITORS = Resource(_PROMETHEUS, "v1", "servicemonitors", "ServiceMonitor", namespaced=True)
PROMETHEUS_RULES = Resource(_PROMETHEUS, "v1", "prometheusrules", "PrometheusRule", namespaced=True)
"""Of Prometheus' operator."""
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
SECURITY_CONTEXT_CONSTRAINTS = Resource(
    "security.openshift.io", "v1", "securitycontextconstraints", "SecurityContextConstraints"
)
CONSOLE_PLUGINS = Resource("console.openshift.io", "v1", "consoleplugins", "ConsolePlugin")
"""Of OpenShift."""
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)
"""Not installed, but read: where the API server listens."""
