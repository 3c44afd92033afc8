"""The resources that we read and write, each in its storage version."""

from __future__ import annotations

__all__ = [
    "CRDS",
    "DAEMONSETS",
    "DEPLOYMENTS",
    "ENACTMENTS",
    "LEASES",
    "NMSTATES",
    "NODES",
    "NODE_STATES",
    "NODE_STATES_METADATA",
    "PODS",
    "POLICIES",
]

from nmstate_k8s.api.meta import GROUP, V1, V1BETA1
from nmstate_k8s.core.objects import Resource

# Ours.
POLICIES = Resource(GROUP, V1, "nodenetworkconfigurationpolicies", "NodeNetworkConfigurationPolicy")
ENACTMENTS = Resource(GROUP, V1BETA1, "nodenetworkconfigurationenactments", "NodeNetworkConfigurationEnactment")
NODE_STATES = Resource(GROUP, V1BETA1, "nodenetworkstates", "NodeNetworkState")
NODE_STATES_METADATA = NODE_STATES.as_metadata()
"""A state may be of megabytes, and who wrote it knows it."""
NMSTATES = Resource(GROUP, V1, "nmstates", "NMState")

# Kubernetes' own.
NODES = Resource("", "v1", "nodes", "Node")
PODS = Resource("", "v1", "pods", "Pod", namespaced=True)
DAEMONSETS = Resource("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", namespaced=True)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
