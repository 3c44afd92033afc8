"""What users of the Go system find again in an installation: names, labels, ports, where pods run, what they hold.

From the generated manifests, which a check compares with the code: these are the parts that scripts, consoles,
NetworkPolicies and dashboards of others rely on, and which must not change with a snapshot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INSTALLED = [
    body
    for path in sorted((ROOT / "manifests/handler").glob("*.yaml"))
    for body in yaml.safe_load_all(path.read_text())
]
"""By the operator, for an NMState without a spec."""
OBJECTS = {
    f"{body['kind']} {body['metadata']['name']}": body
    for body in (*yaml.safe_load_all((ROOT / "install.yaml").read_text()), *INSTALLED)
}
HANDLER, WEBHOOK, OPERATOR = (
    OBJECTS[name] for name in ("DaemonSet nmstate-handler", "Deployment nmstate-webhook", "Deployment nmstate-operator")
)
LINUX = {"kubernetes.io/os": "linux"}


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """What its pods are."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def labels(workload: dict[str, Any]) -> dict[str, str]:
    """What its pods are called."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


@pytest.mark.parametrize(
    ("workload", "app", "component", "name"),
    [
        (HANDLER, "kubernetes-nmstate", "kubernetes-nmstate-handler", "nmstate-handler"),
        (WEBHOOK, "kubernetes-nmstate", "kubernetes-nmstate-webhook", "nmstate-webhook"),
        (OPERATOR, "kubernetes-nmstate-operator", "kubernetes-nmstate-operator", "nmstate-operator"),
    ],
    ids=["handler", "webhook", "operator"],
)
def test_pods_are_found_by_their_labels(workload: dict[str, Any], app: str, component: str, name: str) -> None:
    """By consoles, by `kubectl get pods -l`, by those who wait for the last one to go."""
    found = labels(workload)
    assert (found["app"], found["component"], found["name"]) == (app, component, name)


def test_recommended_labels_are_on_what_the_operator_makes() -> None:
    """Those that tools group by."""
    for workload in (HANDLER, WEBHOOK):
        for name in ("component", "part-of", "version", "managed-by"):
            assert labels(workload)[f"app.kubernetes.io/{name}"]


def test_a_handler_runs_on_every_node_whatever_its_taints() -> None:
    """And before all else: it is what mends the network."""
    spec = pod(HANDLER)
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "Default")
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["nodeSelector"] == LINUX
    assert spec["containers"][0]["securityContext"]["privileged"] is True
    assert HANDLER["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == "10%"
    paths = {volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
    assert paths >= {"/run/dbus/system_bus_socket", "/var/k8s_nmstate", "/run/openvswitch", "/etc/systemd/network"}


@pytest.mark.parametrize("workload", [WEBHOOK, OPERATOR], ids=["webhook", "operator"])
def test_deployments_prefer_the_control_plane_and_do_not_need_it(workload: dict[str, Any]) -> None:
    """On the pod network, on any Linux node where there is no other."""
    spec = pod(workload)
    assert not spec.get("hostNetwork")
    assert spec["priorityClassName"] == "system-cluster-critical"
    assert spec["nodeSelector"] == LINUX
    assert {one["key"] for one in spec["tolerations"]} == {
        "node-role.kubernetes.io/control-plane",
        "node-role.kubernetes.io/master",
    }
    assert set(spec["affinity"]["nodeAffinity"]) == {"preferredDuringSchedulingIgnoredDuringExecution"}


def test_replicas_of_the_webhook_are_spread_and_evicted_one_by_one() -> None:
    """Over nodes, as far as there are any."""
    (spread,) = pod(WEBHOOK)["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    budget = OBJECTS["PodDisruptionBudget nmstate-webhook"]["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels(WEBHOOK).items()


def test_services_have_the_ports_that_others_call() -> None:
    """443 to 9443 for the API server, 8443 for Prometheus, which finds it by a label."""
    ports = {port["name"]: port["containerPort"] for port in pod(WEBHOOK)["containers"][0]["ports"]}
    webhook, monitor = OBJECTS["Service nmstate-webhook"], OBJECTS["Service nmstate-monitor"]
    assert [(port["port"], ports[port["targetPort"]]) for port in webhook["spec"]["ports"]] == [(443, 9443)]
    assert [(port["port"], ports[port["targetPort"]]) for port in monitor["spec"]["ports"]] == [(8443, 8089)]
    assert monitor["metadata"]["labels"]["prometheus.nmstate.io"] == "true"
    for service in (webhook, monitor):
        assert service["spec"]["selector"].items() <= labels(WEBHOOK).items()


def test_admission_is_called_as_ever() -> None:
    """By these names; a policy does not depend on any of it that is a pod."""
    hooks = OBJECTS["MutatingWebhookConfiguration nmstate"]["webhooks"]
    assert {hook["failurePolicy"] for hook in hooks} == {"Ignore"}
    assert "ValidatingAdmissionPolicy nncp-validation-policy" in OBJECTS
    binding = OBJECTS["ValidatingAdmissionPolicyBinding nncp-validation-policy"]["spec"]
    assert binding == {"policyName": "nncp-validation-policy", "validationActions": ["Deny"]}


def test_who_may_look_at_a_cluster_may_look_at_its_network() -> None:
    """Reads, nothing else; joins the role of OpenShift that is made of others."""
    role = OBJECTS["ClusterRole nmstate-cluster-reader"]
    assert role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-cluster-reader"] == "true"
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    read = {resource for rule in role["rules"] for resource in rule["resources"]}
    kinds = {"nodenetworkstates", "nodenetworkconfigurationpolicies", "nodenetworkconfigurationenactments", "nmstates"}
    assert kinds <= read


def test_the_operator_is_told_by_the_variables_that_people_set() -> None:
    """In its Deployment; it is nobody in particular on its node."""
    (container,) = pod(OPERATOR)["containers"]
    assert {variable["name"] for variable in container["env"]} >= {
        "RELATED_IMAGE_HANDLER_IMAGE",
        "HANDLER_IMAGE_PULL_POLICY",
        "HANDLER_NAMESPACE",
        "HANDLER_PREFIX",
        "OPERATOR_NAMESPACE",
        "MONITORING_NAMESPACE",
        "NNCP_MAX_RETRIES",
        "NNCP_MAX_BACKOFF_SECONDS",
        "NNCP_INITIAL_BACKOFF_SECONDS",
    }
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert [port["containerPort"] for port in container["ports"]] == [8081]
    assert pod(OPERATOR)["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_what_is_to_outlive_an_nmstate_is_not_owned_by_it() -> None:
    """All else is, and goes with it."""
    kept = {body["kind"] for body in INSTALLED if not body["metadata"].get("ownerReferences")}
    assert kept == {"Namespace"}
