"""What Prometheus makes of our figures: sums over the cluster, and alerts.

- Only figures that our programs have, with labels that they have: a test compares.
- Each alert has a section of its name in docs/alerts.md, and cases in tests/monitoring in which it fires and in which
  it does not.
- An alert keeps its labels when another replica comes to lead: what is about the cluster is asked without instance.
- Names that other controllers have, too, are asked of our own scrape job alone.
"""

from __future__ import annotations

__all__ = ["Alert", "Recording", "alerts", "groups", "recordings"]

from dataclasses import dataclass
from typing import Literal

from nmstate_k8s.domain.install.stack import Body
from nmstate_k8s.domain.observed import families

RUNBOOK = "docs/alerts.md"


@dataclass(frozen=True, slots=True)
class Recording:
    """A figure that is computed from others."""

    name: str
    expression: str

    def to_dict(self) -> Body:
        """As Prometheus reads it."""
        return {"record": self.name, "expr": self.expression}


@dataclass(frozen=True, slots=True)
class Alert:
    """When somebody is to be told, and what."""

    name: str
    expression: str
    severity: Literal["info", "warning", "critical"]
    summary: str
    description: str
    lasting: str = ""
    """For how long it must be so; empty: it does not pass by itself."""

    def to_dict(self) -> Body:
        """As Prometheus reads it."""
        rule: Body = {"alert": self.name, "expr": self.expression}
        if self.lasting:
            rule["for"] = self.lasting
        runbook = f"{RUNBOOK}#{self.name.lower()}"
        rule["labels"] = {"severity": self.severity, "part_of": "kubernetes-nmstate"}
        rule["annotations"] = {"summary": self.summary, "description": self.description, "runbook_url": runbook}
        return rule


_FINISHED = "nmstate:policy_nodes_finished:sum"


def recordings() -> tuple[Recording, ...]:
    """Sums over nodes and replicas; dashboards and telemetry ask for the first five by name."""
    sums = (
        (families.FEATURES_APPLIED, ("name",)),
        (families.NETWORK_INTERFACES, ("type",)),
        (families.ROUTES, ("ip_stack", "type")),
        (families.POLICIES_STATUS, ("status",)),
        (families.ENACTMENTS_STATUS, ("status",)),
    )
    return (
        *(Recording(f"cluster:{of.name}:sum", f"sum by ({', '.join(by)}) ({of.name})") for of, by in sums),
        Recording(
            _FINISHED,
            'sum by (policy) (nmstate_policy_nodes{status=~"Available|Failing|Aborted"})'
            " or 0 * sum by (policy) (nmstate_policy_nodes)",
        ),
    )


def alerts(job: str) -> dict[str, tuple[Alert, ...]]:
    """By group. `job` is the value of that label on what is scraped from the controller."""
    return {"nmstate.policies": _policies(), "nmstate.nodes": _nodes(), "nmstate.controller": _controller(job)}


def groups(job: str) -> list[Body]:
    """All rules, as Prometheus and its operator read them."""
    return [
        {"name": "nmstate.recording", "rules": [one.to_dict() for one in recordings()]},
        *({"name": name, "rules": [one.to_dict() for one in found]} for name, found in alerts(job).items()),
    ]


def _policies() -> tuple[Alert, ...]:
    return (
        Alert(
            "PolicyDegraded",
            'max by (policy) (nmstate_policy_status{status="Degraded"}) == 1',
            "warning",
            "The policy {{ $labels.policy }} failed on a node.",
            "A node has failed to configure the policy {{ $labels.policy }} for good, or its rollout did not get on in"
            " time. Nodes that failed are as they were before; the others wait or were told to abort. It stays so until"
            " the policy is changed.",
        ),
        Alert(
            "PolicyStalled",
            'max by (policy) (nmstate_policy_status{status="Progressing"}) == 1'
            f" and on (policy) changes({_FINISHED}[5m]) == 0"
            " unless on (policy) (nmstate_policy_paused"
            ' unless on (policy) nmstate_policy_nodes{status="Progressing"} > 0)',
            "warning",
            "The rollout of the policy {{ $labels.policy }} does not get on.",
            "For a quarter of an hour no node has come to an end with the policy {{ $labels.policy }}, although some"
            " have not finished yet: a node hangs, or those that failed leave no room.",
            "15m",
        ),
        Alert(
            "PolicyPaused",
            "max by (policy, reason) (nmstate_policy_paused) == 1",
            "info",
            "The rollout of the policy {{ $labels.policy }} has been paused for a day.",
            "The policy {{ $labels.policy }} waits as it was told to ({{ $labels.reason }}), and its nodes are of two"
            " kinds meanwhile. Somebody may have forgotten to promote or to resume it.",
            "1d",
        ),
    )


def _nodes() -> tuple[Alert, ...]:
    return (
        Alert(
            "HandlerDown",
            "max by (node) (nmstate_node_handler_up) == 0",
            "warning",
            "The nmstate handler on node {{ $labels.node }} is not ready.",
            "The node {{ $labels.node }} is Ready and its handler has not been for 10 minutes: policies are not applied"
            " there, and its NodeNetworkState grows old. Its network stays as it is.",
            "10m",
        ),
        Alert(
            "NodeStateStale",
            "max by (node, instance) (nmstate_handler_state_age_seconds) > 600",
            "warning",
            "The NodeNetworkState of {{ $labels.node }} ({{ $labels.instance }}) is old.",
            "The handler has not been able to look at the network, or to report it, for"
            " {{ $value | humanizeDuration }}; it does so about once a minute.",
            "5m",
        ),
        Alert(
            "NetworkManagerUnhealthy",
            "sum by (node, reason) (nmstate_enactment_failures{reason=~"
            '"DBus|NetworkManagerUnavailable|NetworkManagerRestarted|NetworkManagerNotStarted"}) > 0',
            "critical",
            "NetworkManager on node {{ $labels.node }} does not work: {{ $labels.reason }}.",
            "Policies fail on the node {{ $labels.node }} because NetworkManager does not answer, was restarted in the"
            " middle of a change, or cannot be started.",
            "5m",
        ),
        Alert(
            "NodeDiskUnusable",
            'sum by (node, reason) (nmstate_enactment_failures{reason=~"DiskFull|DiskReadOnly"}) > 0',
            "warning",
            "A disk of node {{ $labels.node }} has no room, or cannot be written: {{ $labels.reason }}.",
            "Policies are refused on the node {{ $labels.node }} before anything is changed, since what it looked like"
            " before could not be kept.",
            "5m",
        ),
        Alert(
            "NodeNotRestored",
            'sum by (node) (nmstate_enactment_failures{stage="recover"}) > 0',
            "critical",
            "The node {{ $labels.node }} may be left in the middle of a change.",
            "A change on the node {{ $labels.node }} failed, and so did taking it back. The handler tries on; until it"
            " comes through, no policy is applied there.",
        ),
        Alert(
            "RollbacksFrequent",
            "sum by (node, instance) (increase(nmstate_handler_rollbacks_total[1h])) > 3",
            "warning",
            "Changes are taken back again and again on {{ $labels.node }} ({{ $labels.instance }}).",
            "{{ $value | humanize }} changes were taken back within an hour: each of them was applied, and then the"
            " node did not reach what it has to reach, or was not as desired.",
        ),
    )


def _controller(job: str) -> tuple[Alert, ...]:
    ours = f'job="{job}"'
    return (
        Alert(
            "ControllerAbsent",
            "absent(kubernetes_nmstate_policies_status)",
            "critical",
            "No nmstate controller leads.",
            "No replica of the controller has told of the cluster for 10 minutes: policies do not come to nodes, and"
            " nothing else is known that these alerts are made of.",
            "10m",
        ),
        Alert(
            "InstallationDegraded",
            'max(nmstate_installation_status{status="Degraded"}) == 1',
            "critical",
            "The NMState is Degraded.",
            "The operator cannot make the installation as the NMState asks for; the condition Degraded has the error.",
            "5m",
        ),
        Alert(
            "InstallationStuck",
            'max(nmstate_installation_status{status="Progressing"}) == 1',
            "warning",
            "The installation of nmstate is not complete.",
            "For 30 minutes the NMState has been Progressing; its message names what is not available.",
            "30m",
        ),
        Alert(
            "ReconcileErrors",
            "sum by (controller) (increase(controller_runtime_reconcile_errors_total{" + ours + "}[30m])) > 10",
            "warning",
            "The controller {{ $labels.controller }} fails again and again.",
            "{{ $value | humanize }} reconciles of {{ $labels.controller }} failed within half an hour. It tries again,"
            " at longer and longer intervals.",
        ),
        Alert(
            "ReconcilePanics",
            "sum by (controller) (increase(controller_runtime_reconcile_panics_total{" + ours + "}[1h])) > 0",
            "warning",
            "A bug in the controller {{ $labels.controller }}.",
            "A reconcile of {{ $labels.controller }} ended by an error that nobody expected. It is tried again; the log"
            " has the traceback.",
        ),
        Alert(
            "WebhookFailing",
            "sum by (webhook) (increase(controller_runtime_webhook_requests_total{" + ours + ',code=~"5.."}[15m])) > 0',
            "warning",
            "The webhook {{ $labels.webhook }} fails.",
            "Policies are accepted without being looked at: a mistake in one is then found on the nodes.",
        ),
        Alert(
            "CertificateExpiring",
            "min by (certificate) ((nmstate_certificate_renewal_timestamp_seconds"
            " + nmstate_certificate_expiry_timestamp_seconds) / 2) < time()",
            "warning",
            "A certificate of the controller is not renewed: {{ $labels.certificate }}.",
            "Half of the time between its renewal and its end is over. When it expires, webhooks are not called any"
            " more (policies are accepted without being looked at), and metrics cannot be read.",
            "5m",
        ),
        Alert(
            "CertificateUnusable",
            "sum(increase(certwatcher_read_certificate_errors_total{" + ours + "}[15m])) > 0",
            "warning",
            "The controller was given a certificate that cannot be used.",
            "It goes on with the one that it has, until that expires.",
        ),
    )
