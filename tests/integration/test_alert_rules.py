"""The alerts, by Prometheus' own tool: each fires where it ought to, and does not where it nearly would."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import yaml

from nmstate_k8s.domain.install.monitoring_rules import alerts
from nmstate_k8s.testing.prometheus import find_program

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "monitoring" / "alerts.yaml"


def promtool(*words: str | Path) -> str:
    """What it says, if it is content."""
    done = subprocess.run([find_program("promtool"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules() -> None:
    """All of them."""
    assert "SUCCESS" in promtool("check", "rules", ROOT / "manifests" / "monitoring" / "rules.yaml")


def test_prometheus_takes_the_configurations_that_the_page_shows(tmp_path: Path) -> None:
    """For who copies them. Debian's Prometheus cannot discover pods: what says so is left out here."""
    shown = re.findall(r"(?ms)^```\n(scrape_configs:.*?)^```", (ROOT / "docs" / "monitoring.md").read_text())
    assert len(shown) == 2
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(re.sub(r"(?m)^  kubernetes_sd_configs:\n  - .*\n", "", text))
        assert "SUCCESS" in promtool("check", "config", "--syntax-only", path)


def test_all_cases_hold() -> None:
    """With labels, summary, description and runbook as they are shown to people."""
    assert "SUCCESS" in promtool("test", "rules", CASES)


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    """So that no alert is without."""
    fires: dict[str, set[bool]] = defaultdict(set)
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for rule in case["alert_rule_test"]:
            fires[rule["alertname"]].add(bool(rule["exp_alerts"]))
    wanted = [alert.name for group in alerts("any").values() for alert in group]
    assert dict(fires) == {name: {True, False} for name in wanted}
