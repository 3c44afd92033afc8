"""Alerts and dashboard speak of figures that our programs have, by labels and values that those have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hack.reference.metrics import known
from nmstate_k8s.api.conditions import EnactmentPhase, NMStatePhase, PolicyPhase
from nmstate_k8s.api.failures import LIBNMSTATE, REASONS
from nmstate_k8s.domain.host.outcome import _WHAT_FAILED as STEPS
from nmstate_k8s.domain.install.monitoring_dashboard import dashboard
from nmstate_k8s.domain.install.monitoring_rules import Alert, alerts, recordings

ROOT = Path(__file__).parents[3]
ALERTS = {alert.name: alert for group in alerts("the-job").values() for alert in group}

TARGET = {"instance", "job"}
"""Labels that Prometheus adds to what it scrapes; a node's own collector says which node it is on, too."""
KEYWORDS = {"by", "on", "and", "or", "unless", "offset", "bool"}


class Query(NamedTuple):
    """What an expression asks for."""

    metrics: dict[str, list[tuple[str, str]]]
    """Each with the labels and values that it is chosen by."""
    labels: set[str]
    """Those that it is grouped or joined by."""


def parsed(expression: str) -> Query:
    """Of PromQL as we write it."""
    labels: set[str] = set()
    text = re.sub(r"\[[^\]]*\]", "", expression)

    def grouping(match: re.Match[str]) -> str:
        labels.update(part.strip() for part in match[1].split(","))
        return " "

    text = re.sub(r"\b(?:by|on)\s*\(([^)]*)\)", grouping, text)
    metrics: dict[str, list[tuple[str, str]]] = {}
    for name, matchers, called in re.findall(r"([A-Za-z_:][\w:]*)(\{[^}]*\})?(\s*\()?", text):
        if not called and name not in KEYWORDS:
            metrics.setdefault(name, []).extend(re.findall(r'(\w+)\s*(?:=~|!=|=)\s*"([^"]*)"', matchers))
    return Query(metrics, labels)


@pytest.fixture(scope="module")
def labels_of() -> dict[str, set[str]]:
    """Every figure that there is, with its labels."""
    found: dict[str, set[str]] = {}
    for family in known():
        own = set(family.labels) | TARGET | ({"node"} if family.name.startswith("nmstate_handler_") else set())
        found[family.name] = own
        if family.type == "histogram":
            found[f"{family.name}_bucket"] = own | {"le"}
            found[f"{family.name}_sum"] = found[f"{family.name}_count"] = own
    for recording in recordings():
        found[recording.name] = parsed(recording.expression).labels
    return found


def expressions() -> Iterator[Any]:
    """All of them, by where they stand."""
    for recording in recordings():
        yield pytest.param(recording.expression, id=recording.name)
    for alert in ALERTS.values():
        yield pytest.param(alert.expression, id=alert.name)
    for panel in panels():
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=panel["title"])


def panels() -> list[dict[str, Any]]:
    """The dashboard's pictures."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_expressions_are_understood() -> None:
    """The reading that the tests below rely on."""
    query = parsed('max by (a, b) (x_y{c="1",d=~"2|3"}) > 0 and on (e) changes(z:sum[5m]) == 0 or 0 * sum(w)')
    assert query.metrics == {"x_y": [("c", "1"), ("d", "2|3")], "z:sum": [], "w": []}
    assert query.labels == {"a", "b", "e"}


@pytest.mark.parametrize("expression", [*expressions()])
def test_every_figure_and_label_is_there(expression: str, labels_of: dict[str, set[str]]) -> None:
    """Registered in a program of ours, or recorded by a rule; with these labels."""
    query = parsed(expression)
    assert query.metrics
    for name, matchers in query.metrics.items():
        assert name in labels_of
        assert {label for label, _ in matchers} <= labels_of[name]
    assert query.labels <= set().union(*(labels_of[name] for name in query.metrics))


@pytest.mark.parametrize("expression", [*expressions()])
def test_every_value_is_one_that_the_code_has(expression: str) -> None:
    """A status that nothing ever has would be an alert that never fires."""
    statuses = {phase.value for kind in (PolicyPhase, EnactmentPhase, NMStatePhase) for phase in kind}
    for matchers in parsed(expression).metrics.values():
        for label, told in matchers:
            for value in told.split("|"):
                if label == "status":
                    assert value in statuses
                elif label == "reason":
                    assert value in {**REASONS, **LIBNMSTATE}
                elif label == "stage":
                    assert value in STEPS


@pytest.mark.parametrize("alert", [*ALERTS.values()], ids=[*ALERTS])
def test_what_an_alert_says_is_about_labels_that_it_has(alert: Alert) -> None:
    """Those that it is grouped by: others would be shown as nothing."""
    told = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))
    assert told <= parsed(alert.expression).labels
    assert alert.summary.endswith(".")
    assert alert.description.endswith(".")


def test_each_alert_has_a_runbook() -> None:
    """With what is seen, how to find out, what to do and when it ends; and no section is left over."""
    text = (ROOT / "docs" / "alerts.md").read_text()
    sections = dict(re.findall(r"(?ms)^## (\w+)\n(.*?)(?=^## |\Z)", text))
    assert list(sections) == list(ALERTS)
    for name, section in sections.items():
        for part in ("**You see**", "**Find out**", "**Do**", "**It ends**"):
            assert part in section, name
        assert "kubectl" in section or "systemctl" in section, name
    for alert in ALERTS.values():
        link = alert.to_dict()["annotations"]["runbook_url"]
        assert link == f"docs/alerts.md#{alert.name.lower()}"


def test_the_sums_that_dashboards_rely_on() -> None:
    """One for each of the gauges that users of the Go system have."""
    gauges = ("features_applied", "network_interfaces", "routes", "policies_status", "enactments_status")
    assert {f"cluster:kubernetes_nmstate_{gauge}:sum" for gauge in gauges} <= {one.name for one in recordings()}


def test_pictures_do_not_overlap() -> None:
    """Nor do they leave the page; their legends are about labels that they have."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_legends_are_of_labels_that_there_are(panel: dict[str, Any], labels_of: dict[str, set[str]]) -> None:
    """Of what is asked for."""
    for target in panel["targets"]:
        query = parsed(target["expr"])
        there = query.labels or set().union(*(labels_of[name] for name in query.metrics))
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= there
