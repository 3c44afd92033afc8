"""The gauges about the cluster, as a table: names and labels are what dashboards and alerts of users rely on.

Those called ``kubernetes_nmstate_…`` are the Go system's, value for value; the others are ours.
"""

from __future__ import annotations

__all__ = [
    "ENACTMENTS_STATUS",
    "ENACTMENT_FAILURES",
    "FAMILIES",
    "FEATURES_APPLIED",
    "HANDLER_UP",
    "INSTALLATION_STATUS",
    "NETWORK_INTERFACES",
    "POLICIES_STATUS",
    "POLICY_NODES",
    "POLICY_PAUSED",
    "POLICY_STATUS",
    "ROUTES",
    "Family",
]

from typing import Final, NamedTuple


class Family(NamedTuple):
    """A gauge: its name, what it tells, and its labels."""

    name: str
    text: str
    labels: tuple[str, ...]


FEATURES_APPLIED: Final = Family(
    "kubernetes_nmstate_features_applied", "1 for each feature of nmstate that an enactment makes use of", ("name",)
)
NETWORK_INTERFACES: Final = Family(
    "kubernetes_nmstate_network_interfaces", "Network interfaces, by type and node", ("type", "node")
)
ROUTES: Final = Family(
    "kubernetes_nmstate_routes",
    "Routes, by node, family (ipv4, ipv6) and type (static: configured; dynamic: all others)",
    ("node", "ip_stack", "type"),
)
POLICIES_STATUS: Final = Family(
    "kubernetes_nmstate_policies_status", "Policies, by the condition that is True", ("status",)
)
ENACTMENTS_STATUS: Final = Family(
    "kubernetes_nmstate_enactments_status",
    "Enactments, by node and by the condition that is True; one that is tried again is Progressing",
    ("node", "status"),
)
POLICY_STATUS: Final = Family(
    "nmstate_policy_status", "1 for the condition of a policy that is True", ("policy", "status")
)
POLICY_PAUSED: Final = Family(
    "nmstate_policy_paused",
    "1 for a policy whose rollout stands still on purpose: at a step, or paused by annotation (reason)",
    ("policy", "reason"),
)
POLICY_NODES: Final = Family(
    "nmstate_policy_nodes",
    "Nodes that a policy has an enactment on, by the enactment's condition that is True",
    ("policy", "status"),
)
ENACTMENT_FAILURES: Final = Family(
    "nmstate_enactment_failures",
    "Enactments whose last attempt failed, by node, stage and reason",
    ("node", "stage", "reason"),
)
HANDLER_UP: Final = Family(
    "nmstate_node_handler_up", "Whether the handler's pod on a node is ready; of nodes that are Ready", ("node",)
)
INSTALLATION_STATUS: Final = Family(
    "nmstate_installation_status", "1 for the condition of the NMState that is True, else 0", ("status",)
)

FAMILIES: Final = (
    FEATURES_APPLIED,
    NETWORK_INTERFACES,
    ROUTES,
    POLICIES_STATUS,
    ENACTMENTS_STATUS,
    POLICY_STATUS,
    POLICY_PAUSED,
    POLICY_NODES,
    ENACTMENT_FAILURES,
    HANDLER_UP,
    INSTALLATION_STATUS,
)
