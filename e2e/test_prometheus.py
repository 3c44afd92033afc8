"""A Prometheus of a user's finds controller and handlers of a real cluster, and tells of a policy that fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import Json
from e2e.kit.monitoring import monitored
from nmstate_k8s.testing.prometheus import Prometheus

PATIENCE = 60.0
"""Seconds; what is waited for takes some ten on a quiet machine."""


@pytest.fixture
def prometheus(cluster: Cluster, tmp_path: Path) -> Iterator[Prometheus]:
    """Debian's, with what is installed for Prometheus' operator."""
    with monitored(cluster, tmp_path) as started:
        yield started


def ethernet(name: str, state: str = "up") -> Json:
    return {"interfaces": [{"name": name, "type": "ethernet", "state": state}]}


def test_a_failed_policy_fires_until_it_is_mended(cluster: Cluster, nodes: list[Node], prometheus: Prometheus) -> None:
    """All the way: node, enactment, controller, TLS and token, rules, alert; and handlers tell of themselves."""

    def up() -> bool:
        found = Counter(each["labels"]["job"] for each in prometheus.targets() if each["health"] == "up")
        return found == {"nmstate-monitor": 1, "nmstate-handler": len(nodes)}

    eventually("controller and handlers are scraped", up, timeout=PATIENCE)

    def alerts(policy: str) -> list[tuple[str, str]]:
        found = [each for each in prometheus.alerts() if each["labels"].get("policy") == policy]
        return [(each["labels"]["alertname"], each["state"]) for each in found]

    selector = {"kubernetes.io/hostname": nodes[0].name}
    cluster.apply(cluster.policy("watched", ethernet("eth666"), nodeSelector=selector))
    cluster.wait("nncp", "watched", "Degraded")
    eventually("PolicyDegraded fires", lambda: alerts("watched") == [("PolicyDegraded", "firing")], timeout=PATIENCE)
    failing = 'cluster:kubernetes_nmstate_enactments_status:sum{status="Failing"}'
    eventually("the sum is recorded", lambda: 1.0 in prometheus.query(failing).values(), timeout=PATIENCE)
    by_handler = 'nmstate_handler_state_age_seconds{job="nmstate-handler"}'
    told = {dict(labels)["node"] for labels in prometheus.query(by_handler)}
    assert told == {node.name for node in nodes}

    cluster.apply(cluster.policy("watched", ethernet("eth1"), nodeSelector=selector))
    cluster.wait("nncp", "watched", "Available")
    eventually("nothing fires any more", lambda: alerts("watched") == [], timeout=PATIENCE)
