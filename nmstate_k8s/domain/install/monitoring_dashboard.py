"""A dashboard for Grafana, as data: what one looks at when an alert has fired, and before.

- Rows: the cluster's policies and nodes; the controller; the handlers, where their figures are collected.
- The data source and the scrape job are chosen at the top; nothing else is fixed.
- Only figures that our programs have: a test compares.
"""

from __future__ import annotations

__all__ = ["dashboard"]

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from nmstate_k8s.domain.install.stack import Body

_WIDTH = 24
_SOURCE: Body = {"type": "prometheus", "uid": "${datasource}"}
_JOB = 'job=~"$job"'
_STATUS_COLOURS = {
    "Available": "green",
    "Degraded": "red",
    "Failing": "red",
    "Aborted": "orange",
    "Progressing": "blue",
    "Pending": "yellow",
    "Ignored": "text",
    "Unknown": "text",
}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One picture: each expression with the text of its legend."""

    title: str
    expressions: tuple[tuple[str, str], ...]
    kind: Literal["stat", "timeseries", "table"] = "timeseries"
    unit: str = "short"
    width: int = 8
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    title: str
    panels: tuple[_Panel, ...]


def _quantile(name: str, by: str, quantile: float = 0.95) -> str:
    return f"histogram_quantile({quantile}, sum by ({by}, le) (rate({name}_bucket[$__rate_interval])))"


_ROWS = (
    _Row(
        "Policies",
        (
            _Panel("Policies", (("cluster:kubernetes_nmstate_policies_status:sum", "{{status}}"),), "stat"),
            _Panel("Enactments", (("cluster:kubernetes_nmstate_enactments_status:sum", "{{status}}"),), "stat"),
            _Panel(
                "Installation", (("max by (status) (nmstate_installation_status) == 1", "{{status}}"),), "stat", width=8
            ),
            _Panel(
                "Policies that are not Available",
                (('max by (policy, status) (nmstate_policy_status{status!="Available"})', ""),),
                "table",
                text="Which, and how they stand.",
            ),
            _Panel(
                "Rollouts: nodes by status",
                (('sum by (policy, status) (nmstate_policy_nodes{policy=~"$policy"})', "{{policy}} {{status}}"),),
                width=16,
            ),
            _Panel(
                "Failed attempts",
                (("sum by (node, stage, reason) (nmstate_enactment_failures)", ""),),
                "table",
                width=16,
                text="Enactments whose last attempt failed; the enactment's message says more.",
            ),
            _Panel("Features in use", (("cluster:kubernetes_nmstate_features_applied:sum", "{{name}}"),), "table"),
        ),
    ),
    _Row(
        "Nodes",
        (
            _Panel("Handlers that are not ready", (("max by (node) (nmstate_node_handler_up) == 0", ""),), "table"),
            _Panel("Interfaces by type", (("cluster:kubernetes_nmstate_network_interfaces:sum", "{{type}}"),)),
            _Panel("Routes", (("cluster:kubernetes_nmstate_routes:sum", "{{ip_stack}} {{type}}"),)),
        ),
    ),
    _Row(
        "Controller",
        (
            _Panel(
                "Reconciles a second",
                (
                    (
                        "sum by (controller, result)"
                        f" (rate(controller_runtime_reconcile_total{{{_JOB}}}[$__rate_interval]))",
                        "{{controller}} {{result}}",
                    ),
                ),
                unit="ops",
            ),
            _Panel(
                "Reconcile time, 95 %",
                (
                    (
                        "histogram_quantile(0.95, sum by (controller, le)"
                        f" (rate(controller_runtime_reconcile_time_seconds_bucket{{{_JOB}}}[$__rate_interval])))",
                        "{{controller}}",
                    ),
                ),
                unit="s",
            ),
            _Panel("Keys that wait", ((f"sum by (name) (workqueue_depth{{{_JOB}}})", "{{name}}"),)),
            _Panel(
                "Requests to the API server a second",
                (
                    (
                        f"sum by (method, code) (rate(rest_client_requests_total{{{_JOB}}}[$__rate_interval]))",
                        "{{method}} {{code}}",
                    ),
                ),
                unit="reqps",
            ),
            _Panel(
                "Webhook calls a second",
                (
                    (
                        "sum by (webhook, code)"
                        f" (rate(controller_runtime_webhook_requests_total{{{_JOB}}}[$__rate_interval]))",
                        "{{webhook}} {{code}}",
                    ),
                ),
                unit="reqps",
            ),
            _Panel("Memory", ((f"process_resident_memory_bytes{{{_JOB}}}", "{{instance}}"),), unit="bytes"),
        ),
    ),
    _Row(
        "Handlers (where their own figures are collected)",
        (
            _Panel(
                "Transactions an hour",
                (("sum by (outcome) (increase(nmstate_handler_transactions_total[1h]))", "{{outcome}}"),),
            ),
            _Panel("Stages, 95 %", ((_quantile("nmstate_handler_stage_seconds", "stage"), "{{stage}}"),), unit="s"),
            _Panel(
                "Probes, 95 %",
                ((_quantile("nmstate_handler_probe_seconds", "probe, result"), "{{probe}} {{result}}"),),
                unit="s",
            ),
            _Panel(
                "Age of the reports",
                (("max by (instance) (nmstate_handler_state_age_seconds)", "{{instance}}"),),
                unit="s",
            ),
            _Panel(
                "Rollbacks an hour",
                (("sum by (instance) (increase(nmstate_handler_rollbacks_total[1h]))", "{{instance}}"),),
            ),
            _Panel(
                "Size of the reports",
                (("max by (instance) (nmstate_handler_state_bytes)", "{{instance}}"),),
                unit="bytes",
            ),
        ),
    ),
)


def dashboard() -> Body:
    """The dashboard, as Grafana imports it."""
    return {
        "title": "Kubernetes NMState",
        "uid": "kubernetes-nmstate",
        "tags": ["kubernetes-nmstate"],
        "description": "Policies, nodes and controllers of kubernetes-nmstate.",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": list(_placed(_ROWS)),
    }


def _variables() -> Iterator[Body]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    for name, label, query in (
        ("job", "Job", "label_values(leader_election_master_status, job)"),
        ("policy", "Policy", "label_values(nmstate_policy_status, policy)"),
    ):
        yield {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }


def _placed(rows: Iterable[_Row]) -> Iterator[Body]:
    """Panels from left to right, rows from top to bottom."""
    number, y = 1, 0
    for row in rows:
        yield {"id": number, "type": "row", "title": row.title, "gridPos": _place(0, y, _WIDTH, 1), "panels": []}
        number, x, y = number + 1, 0, y + 1
        for panel in row.panels:
            if x + panel.width > _WIDTH:
                x, y = 0, y + 8
            yield {"id": number, "gridPos": _place(x, y, panel.width, 8), **_body(panel)}
            number, x = number + 1, x + panel.width
        y += 8


def _place(x: int, y: int, width: int, height: int) -> Body:
    return {"x": x, "y": y, "w": width, "h": height}


def _body(panel: _Panel) -> Body:
    table = panel.kind == "table"
    colours = [
        {
            "matcher": {"id": "byName", "options": status},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for status, colour in _STATUS_COLOURS.items()
    ]
    body: Body = {
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + position),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
                **({"format": "table", "instant": True} if table else {}),
            }
            for position, (expression, legend) in enumerate(panel.expressions)
        ],
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": [] if table else colours},
    }
    if table:
        hidden = {"excludeByName": {"Time": True}}
        body["transformations"] = [{"id": "organize", "options": hidden}]
    return {**body, "description": panel.text} if panel.text else body
