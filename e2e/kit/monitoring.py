"""Prometheus beside the cluster, configured by what is installed for Prometheus' operator.

That operator itself is not there: its kinds are defined, and what it would make of ServiceMonitor and PrometheusRule
is made here, from the objects as the cluster has them. One thing is not as they say: it is scraped and evaluated every
second instead of every 30, so that a test need not wait.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from e2e.kit.cluster import HANDLER_NAMESPACE, Cluster, Json
from e2e.kit.shell import ROOT, eventually
from nmstate_k8s.testing.prometheus import Prometheus

__all__ = ["monitored"]

NAME = "nmstate-monitor"
GROUP = "monitoring.coreos.com"
KINDS = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}
NAMESPACE, ACCOUNT = "monitoring", "prometheus-k8s"
INSIDE = (str(ROOT / "hack/lab"), "net")
API = "https://10.11.0.1:443"
"""Where the API server is in the lab's network."""


@contextmanager
def monitored(cluster: Cluster, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus in the lab's network that scrapes controllers as the ServiceMonitor says and handlers by their own
    loopback, with the rules of the PrometheusRule; kinds and account go with it.
    """
    with ExitStack() as stack:
        stack.callback(cluster.delete, "crd", *(f"{plural}.{GROUP}" for plural in KINDS))
        cluster.apply(*(_kind(plural, kind) for plural, kind in KINDS.items()))
        stack.callback(cluster.delete, "namespace", NAMESPACE)
        cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}},
        )
        monitor, rule = (
            eventually(f"the {kind} is installed", lambda kind=kind: _installed(cluster, kind), timeout=30)
            for kind in KINDS
        )
        rules = folder / "rules.json"  # JSON is YAML
        rules.write_text(json.dumps(rule["spec"]))
        jobs = [_controllers(cluster, monitor, folder), _handlers(stack, cluster)]
        yield stack.enter_context(Prometheus.start(jobs, [rules], inside=INSIDE))


def _kind(plural: str, kind: str) -> Json:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def _installed(cluster: Cluster, kind: str) -> Json:
    return cluster.get(kind, NAME, namespace=HANDLER_NAMESPACE)


def _controllers(cluster: Cluster, monitor: Json, folder: Path) -> Json:
    """The job that Prometheus' operator makes of a ServiceMonitor: each ready endpoint of the Services it selects."""
    (endpoint,) = monitor["spec"]["endpoints"]
    wanted = ",".join(f"{name}={value}" for name, value in monitor["spec"]["selector"]["matchLabels"].items())
    (service,) = cluster.list("service", "-n", HANDLER_NAMESPACE, "-l", wanted)
    slices = cluster.list(
        "endpointslice", "-n", HANDLER_NAMESPACE, "-l", f"kubernetes.io/service-name={service['metadata']['name']}"
    )
    targets = [
        f"{address}:{port['port']}"
        for each in slices
        for port in each["ports"]
        if port["name"] == endpoint["port"]
        for one in each["endpoints"]
        if one["conditions"]["ready"]
        for address in one["addresses"]
    ]
    tls = endpoint["tlsConfig"]
    secret = cluster.get("secret", tls["ca"]["secret"]["name"], namespace=HANDLER_NAMESPACE)
    ca = folder / "ca.crt"
    ca.write_bytes(base64.b64decode(secret["data"][tls["ca"]["secret"]["key"]]))
    token = folder / "token"
    assert endpoint["bearerTokenFile"].endswith("/token")  # that of Prometheus' own account
    token.write_text(cluster.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE).stdout.strip())
    token.chmod(0o644)
    return {
        "job_name": service["metadata"]["name"],
        "scheme": endpoint["scheme"],
        "metrics_path": endpoint["path"],
        "authorization": {"credentials_file": str(token)},
        "tls_config": {"ca_file": str(ca), "server_name": tls["serverName"]},
        "static_configs": [{"targets": targets}],
    }


def _handlers(stack: ExitStack, cluster: Cluster) -> Json:
    """As docs/monitoring.md has it for one node by hand: handlers listen on their node's loopback alone."""
    configs: list[dict[str, Any]] = []
    for node, pod in cluster.handler_pods().items():
        port = stack.enter_context(_forwarded(cluster, pod["metadata"]["name"]))
        configs.append({"targets": [f"127.0.0.1:{port}"], "labels": {"node": node}})
    return {"job_name": "nmstate-handler", "static_configs": configs}


@contextmanager
def _forwarded(cluster: Cluster, pod: str) -> Iterator[int]:
    """The port in the lab's network that leads to a handler's loopback."""
    command = [*INSIDE, "kubectl", "--server", API, "port-forward", "-n", HANDLER_NAMESPACE, f"pod/{pod}", ":8081"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=cluster.env, start_new_session=True) as child:
        try:
            assert child.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", child.stdout.readline())
            assert found, f"kubectl port-forward to {pod} ended with {child.wait(10)}"
            yield int(found[1])
        finally:
            child.terminate()
