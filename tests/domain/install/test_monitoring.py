"""How Prometheus comes to the controller's figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nmstate_k8s.domain.install.kinds import SERVICE_MONITORS
from nmstate_k8s.domain.install.surroundings import OPTIONAL, UNKNOWN, Surroundings

Render = Callable[..., dict[str, dict[str, Any]]]

SERVICE = "Service nmstate/nmstate-monitor"
MONITOR = "ServiceMonitor nmstate/nmstate-monitor"
DEPLOYMENT = "Deployment nmstate/nmstate-webhook"
WITH_PROMETHEUS = Surroundings(served=frozenset(OPTIONAL))


def container(body: dict[str, Any]) -> dict[str, Any]:
    """The only container of a workload."""
    (found,) = body["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_service_leads_to_the_pods_that_serve(rendered: Render) -> None:
    """By their labels and the name of their port."""
    objects = rendered()
    service, deployment = objects[SERVICE], objects[DEPLOYMENT]
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8443, "metrics")
    assert service["metadata"]["labels"]["prometheus.nmstate.io"] == "true"
    pod = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= pod.items()
    assert {"name": "metrics", "containerPort": 8089, "protocol": "TCP"} in container(deployment)["ports"]


@pytest.mark.parametrize(("address", "port"), [(":9090", 9090), ("127.0.0.1:8089", 8089), ("[::]:1234", 1234)], ids=str)
def test_the_bind_address_is_where_it_is_served(rendered: Render, address: str, port: int) -> None:
    """In the pod, in its ports, and in what the network lets through."""
    objects = rendered({"metricsConfiguration": {"bindAddress": address}})
    found = container(objects[DEPLOYMENT])
    assert {"name": "METRICS_ADDRESS", "value": address} in found["env"]
    assert {"name": "metrics", "containerPort": port, "protocol": "TCP"} in found["ports"]
    (ingress,) = objects["NetworkPolicy nmstate/nmstate-webhook"]["spec"]["ingress"]
    assert {"port": port, "protocol": "TCP"} in ingress["ports"]


def test_without_an_address_nothing_leads_there(rendered: Render) -> None:
    """As in every controller: 0 means not at all."""
    objects = rendered({"metricsConfiguration": {"bindAddress": "0"}}, around=WITH_PROMETHEUS)
    assert [name for name in objects if "monitor" in name.lower() or "metrics" in name or "Prometheus" in name] == []
    assert [port["name"] for port in container(objects[DEPLOYMENT])["ports"]] == ["health", "webhook"]
    assert {"name": "METRICS_ADDRESS", "value": ""} in container(objects[DEPLOYMENT])["env"]


@pytest.mark.parametrize("around", [UNKNOWN, WITH_PROMETHEUS], ids=["without", "with Prometheus' operator"])
def test_kinds_of_others_are_used_where_they_are(rendered: Render, around: Surroundings) -> None:
    """Elsewhere they could not be applied."""
    objects = rendered(around=around)
    assert (MONITOR in objects) is bool(around.served)
    assert SERVICE in objects


def test_each_replica_is_scraped_under_the_name_in_its_certificate(rendered: Render) -> None:
    """With a token, trusting the CA that signed it, by the Service's own labels."""
    objects = rendered(around=Surroundings(served=frozenset({SERVICE_MONITORS})), prefix="x", namespace="net")
    monitor = objects["ServiceMonitor net/x-nmstate-monitor"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["scheme"], endpoint["port"]) == ("https", "metrics")
    assert endpoint["bearerTokenFile"]
    assert endpoint["tlsConfig"]["serverName"] == "x-nmstate-monitor.net.svc"
    assert "insecureSkipVerify" not in endpoint["tlsConfig"]
    labels = objects["Service net/x-nmstate-monitor"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_prometheus_may_find_and_read_and_nothing_else(rendered: Render) -> None:
    """Its account where it is usually installed."""
    objects = rendered(monitoring_namespace="openshift-monitoring")
    account = {"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "openshift-monitoring"}
    assert objects["ClusterRoleBinding nmstate-metrics-reader"]["subjects"] == [account]
    assert objects["RoleBinding nmstate/nmstate-monitor"]["subjects"] == [account]
    assert objects["ClusterRole nmstate-metrics-reader"]["rules"] == [
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    ]
    verbs = {verb for rule in objects["Role nmstate/nmstate-monitor"]["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}
