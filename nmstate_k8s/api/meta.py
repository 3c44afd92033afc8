"""Names that users, other programs and our own parts agree on: group, labels, annotations, managers."""

from __future__ import annotations

__all__ = [
    "GROUP",
    "V1",
    "V1BETA1",
    "CATEGORY",
    "POLICY_LABEL",
    "NODE_LABEL",
    "FORCE_REFRESH_LABEL",
    "POLICY_UID_ANNOTATION",
    "MUTATING_TIMESTAMP_ANNOTATION",
    "PROMOTE_ANNOTATION",
    "PAUSE_ANNOTATION",
    "ABORT_ANNOTATION",
    "SKIP_VALIDATION_ANNOTATION",
    "CONTROL_PLANE_LABELS",
    "APP_LABEL",
    "APP",
    "APP_OPERATOR",
    "COMPONENT_LABEL",
    "HANDLER_COMPONENT",
    "WEBHOOK_COMPONENT",
    "NAME_LABEL",
    "HANDLER_SELECTOR",
    "OPERATOR_MANAGER",
    "CONTROLLER_MANAGER",
    "HANDLER_MANAGER",
    "OPERATOR_LEASE",
    "CONTROLLER_LEASE",
    "CERTIFICATE_SECRET",
    "WEBHOOK_CONFIGURATION",
    "WEBHOOK_SERVICE",
    "MONITOR_SERVICE",
]

GROUP = "nmstate.io"
V1 = "v1"
V1BETA1 = "v1beta1"
CATEGORY = "nodenetwork"

# On enactments: whose they are. The node handler watches its own by NODE_LABEL.
POLICY_LABEL = f"{GROUP}/policy"
NODE_LABEL = f"{GROUP}/node"
# Ours: tells the enactment of a policy from that of an earlier one with the same name.
POLICY_UID_ANNOTATION = f"{GROUP}/policy-uid"

# On a NodeNetworkState: any change of its value asks for a report at once.
FORCE_REFRESH_LABEL = f"{GROUP}/force-nns-refresh"

# On policies.
MUTATING_TIMESTAMP_ANNOTATION = f"{GROUP}/webhook-mutating-timestamp"
# What a user says of the rollout of a generation: its number is the value.
PROMOTE_ANNOTATION = f"{GROUP}/rollout-promote"
PAUSE_ANNOTATION = f"{GROUP}/rollout-pause"
ABORT_ANNOTATION = f"{GROUP}/rollout-abort"
# "true": what admission would refuse is a warning. The node judges all the same.
SKIP_VALIDATION_ANNOTATION = f"{GROUP}/skip-validation"

# On Nodes, whatever the value: never two of them are at work at once.
CONTROL_PLANE_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

# On our pods.
APP_LABEL = "app"
APP = "kubernetes-nmstate"
APP_OPERATOR = "kubernetes-nmstate-operator"
COMPONENT_LABEL = "component"
HANDLER_COMPONENT = "kubernetes-nmstate-handler"
WEBHOOK_COMPONENT = "kubernetes-nmstate-webhook"
NAME_LABEL = "name"
HANDLER_SELECTOR = f"{COMPONENT_LABEL}={HANDLER_COMPONENT}"

# Who wrote a field (``metadata.managedFields``), and who leads.
OPERATOR_MANAGER = "nmstate-operator"
CONTROLLER_MANAGER = "nmstate-controller"
HANDLER_MANAGER = "nmstate-handler"
OPERATOR_LEASE = "nmstate-operator"
CONTROLLER_LEASE = "nmstate-controller"

# Made by the operator, filled by the controller's leader: what the controller's servers show, and whom callers trust.
CERTIFICATE_SECRET = "nmstate-certificates"
# By these the controller is called, and its certificate is for them. They take the operator's prefix.
WEBHOOK_CONFIGURATION = "nmstate"
WEBHOOK_SERVICE = "nmstate-webhook"
MONITOR_SERVICE = "nmstate-monitor"
