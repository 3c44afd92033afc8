"""Every environment variable of our programs, in words: docs/reference/environment.md has them.

A program that reads one which is not here fails in its tests: `Environment` asks for the words.
"""

from __future__ import annotations

__all__ = ["FOR_TESTS", "PREFIXES", "VARIABLES"]

from collections.abc import Mapping

VARIABLES: Mapping[str, str] = {
    "ALLOW_DISPATCH": "Whether policies may bring scripts that run as root: `spec.allowDispatch` of the NMState.",
    "CA_OVERLAP_INTERVAL": "How long a new CA is trusted before it signs: `spec.selfSignConfiguration`.",
    "CA_ROTATE_INTERVAL": "How long a CA signs: `spec.selfSignConfiguration` of the NMState.",
    "CERT_OVERLAP_INTERVAL": "How long a replaced certificate is still valid: `spec.selfSignConfiguration`.",
    "CERT_ROTATE_INTERVAL": "How long a certificate is shown: `spec.selfSignConfiguration` of the NMState.",
    "HANDLER_IMAGE_PULL_POLICY": "When the handler's image is pulled, for the pods of handler and controller.",
    "HANDLER_NAMESPACE": "Where everything is installed. The operator's Role is made for its own namespace.",
    "HANDLER_PREFIX": "Names of installed objects begin with it and a dash.",
    "HEALTH_ADDRESS": "Where `/healthz` and `/readyz` are served, and on a node `/metrics`: `host:port`, or `:port`.",
    "LOG_LEVEL": "How much is logged: `spec.logLevel` of the NMState sets it for handler and controller.",
    "METRICS_ADDRESS": "Where the controller serves `/metrics`, by HTTPS: `spec.metricsConfiguration` of the NMState.",
    "MONITORING_NAMESPACE": "Where Prometheus runs, whose account may read the metrics.",
    "NMSTATE_INSTANCE_NODE_LOCK_FILE": "Held by the one handler of the node; journal and failpoints lie beside it.",
    "NNCP_INITIAL_BACKOFF_SECONDS": "The delay before the second attempt of a node; it doubles from one to the next.",
    "NNCP_MAX_BACKOFF_SECONDS": "The longest delay between two attempts of a node.",
    "NNCP_MAX_RETRIES": "How often a node tries a generation of a policy before it has failed for good.",
    "NODE_NAME": "The node that the pod runs on. The controller brings policies to its own node last.",
    "OPERATOR_NAMESPACE": "Where the operator runs, and its lease lies.",
    "POD_NAME": "Who this is: the holder of the lease, the reporting instance of events.",
    "POD_NAMESPACE": "Where the controller runs, and its lease lies.",
    "PROBES": "What is probed where a policy says nothing: `spec.probeConfiguration` of the NMState, as JSON.",
    "RELATED_IMAGE_CONSOLE_PLUGIN_IMAGE": "The image of OpenShift's console plugin, installed where the console is.",
    "RELATED_IMAGE_HANDLER_IMAGE": "The image of handler and controller.",
    "WEBHOOK_ADDRESS": "Where the controller serves the webhooks, by HTTPS.",
    # For tests alone.
    "NMSTATE_FAILPOINTS": "Steps of a transaction at which the handler dies.",
    "NMSTATE_HOST_ROOT": "Where the host's own files are.",
    "NMSTATE_TEST_WITHOUT": "`parachute`: a node is not put back before NetworkManager starts.",
}
"""What each variable is for, by its name."""

FOR_TESTS = frozenset({"NMSTATE_FAILPOINTS", "NMSTATE_HOST_ROOT", "NMSTATE_TEST_WITHOUT"})
"""Those that an installation never sets."""

PREFIXES: Mapping[str, str] = {
    "NNCP_": "All variables that begin so are handed on to the handlers as they stand; a change rolls them out anew.",
}
"""What is read by the beginning of its name."""
