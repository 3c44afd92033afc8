"""What an NMState stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from nmstate_k8s.domain.install.controller import NodeTaints
from nmstate_k8s.domain.install.render import render
from nmstate_k8s.domain.install.stack import Stack
from nmstate_k8s.domain.install.surroundings import Surroundings

HANDLER = "DaemonSet nmstate/nmstate-handler"
CONTROLLER = "Deployment nmstate/nmstate-webhook"
Render = Callable[..., dict[str, dict[str, Any]]]

EVERYTHING = {
    "nodeSelector": {"node-role.kubernetes.io/worker": ""},
    "tolerations": [{"key": "special", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
            }
        }
    },
    "infraNodeSelector": {"node-role.kubernetes.io/infra": ""},
    "infraTolerations": [{"key": "infra", "operator": "Exists"}],
    "infraAffinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"name": "other"}}}
            ]
        }
    },
    "probeConfiguration": {"dns": {"host": "dns.example.org"}},
    "selfSignConfiguration": {
        "caRotateInterval": "1000h",
        "caOverlapInterval": "10h",
        "certRotateInterval": "100h",
        "certOverlapInterval": "1h30m",
    },
    "metricsConfiguration": {"bindAddress": ":9000"},
    "logLevel": "debug",
}


def pod(body: dict[str, Any]) -> dict[str, Any]:
    """The pod spec of a workload."""
    spec: dict[str, Any] = body["spec"]["template"]["spec"]
    return spec


def environment(body: dict[str, Any]) -> dict[str, str]:
    """The variables with given values of a workload's only container."""
    (container,) = pod(body)["containers"]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def test_plain_stack(rendered: Render, snapshot: SnapshotAssertion) -> None:
    """An NMState without a spec installs exactly these workloads."""
    objects = rendered()
    assert sorted(objects) == snapshot(name="objects")
    assert objects[HANDLER] == snapshot(name="handler")
    assert objects[CONTROLLER] == snapshot(name="controller")


def test_every_field_of_the_spec_reaches_the_pods(rendered: Render, snapshot: SnapshotAssertion) -> None:
    """Placement, probes, certificates, metrics and log level of an NMState are those of its pods."""
    objects = rendered(EVERYTHING)
    assert pod(objects[HANDLER]) == snapshot(name="handler")
    assert pod(objects[CONTROLLER]) == snapshot(name="controller")


def test_same_input_same_objects(stack_of: Callable[..., Stack]) -> None:
    """Rendering is a function: nothing depends on when or how often."""
    first, second = (msgspec.json.encode([one.body for one in render(stack_of(EVERYTHING))]) for _ in range(2))
    assert first == second


def test_what_outlives_the_nmstate_has_no_owner(rendered: Render) -> None:
    """Policies (with their CRDs) and the namespace stay when the NMState goes; everything else goes with it."""
    unowned = {name for name, body in rendered().items() if "ownerReferences" not in body["metadata"]}
    assert {name.split()[0] for name in unowned} == {"CustomResourceDefinition", "Namespace"}


def test_every_object_can_be_found(rendered: Render) -> None:
    """The operator watches by one label, so every object bears it."""
    assert {body["metadata"]["labels"]["app"] for body in rendered().values()} == {"kubernetes-nmstate"}


def test_prefix_is_in_every_name_and_reference(rendered: Render) -> None:
    """Two prefixes share nothing but what the API or the user names."""
    objects = rendered(prefix="alice")
    named = {name.split()[1].rpartition("/")[2] for name in objects if not name.startswith(("Custom", "Namespace"))}
    assert all(name.startswith("alice-") for name in named)
    assert pod(objects["DaemonSet nmstate/alice-nmstate-handler"])["serviceAccountName"] == "alice-nmstate-handler"
    labels = objects["DaemonSet nmstate/alice-nmstate-handler"]["spec"]["template"]["metadata"]["labels"]
    assert (labels["name"], labels["component"]) == ("alice-nmstate-handler", "kubernetes-nmstate-handler")


def test_selectors_select_the_pods(rendered: Render) -> None:
    """A workload's selector matches the labels of its own pods."""
    for name in (HANDLER, CONTROLLER):
        spec = rendered()[name]["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_retry_variables_reach_the_handler_as_they_are(rendered: Render) -> None:
    """The operator's NNCP_* variables are the handlers', as the same strings."""
    told = {"NNCP_MAX_RETRIES": "07", "NNCP_MAX_BACKOFF_SECONDS": "1e2"}
    found = environment(rendered(handler_environment=told)[HANDLER])
    assert told.items() <= found.items()


def test_scripts_are_allowed_by_the_nmstate_alone(rendered: Render) -> None:
    """Whoever may write a policy with a script is root on the nodes: not without a word of the administrator."""
    assert "ALLOW_DISPATCH" not in environment(rendered()[HANDLER])
    assert environment(rendered({"allowDispatch": True})[HANDLER])["ALLOW_DISPATCH"] == "true"


def test_recommended_labels_are_copied_from_the_nmstate(rendered: Render) -> None:
    """Labels that the user's tools look for are the user's where given."""
    labels = {"app.kubernetes.io/part-of": "platform", "team": "net"}
    pods = rendered({}, labels)[HANDLER]["spec"]["template"]["metadata"]["labels"]
    assert pods["app.kubernetes.io/part-of"] == "platform"
    assert pods["app.kubernetes.io/version"] == "1.2.3"
    assert "team" not in pods


def test_pods_but_the_handlers_pass_pod_security_restricted(rendered: Render) -> None:
    """The controller could run in a namespace that enforces `restricted`."""
    spec = pod(rendered()[CONTROLLER])
    (container,) = spec["containers"]
    assert not spec.get("hostNetwork")
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} <= {"emptyDir", "projected"}


def test_on_the_hosts_network_the_controller_has_ports_of_its_own(rendered: Render) -> None:
    """None that a handler of the same node has, health on loopback; two of them exclude each other by their ports."""
    objects = rendered({"hostNetwork": True})
    spec = pod(objects[CONTROLLER])
    (container,) = spec["containers"]
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "Default")
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert all(one["hostPort"] == one["containerPort"] for one in container["ports"])
    told = environment(objects[CONTROLLER])
    assert told["HEALTH_ADDRESS"] == f"127.0.0.1:{ports['health']}"
    assert told["WEBHOOK_ADDRESS"] == f":{ports['webhook']}"
    assert told["METRICS_ADDRESS"] == f":{ports['metrics']}"
    handler = environment(objects[HANDLER])["HEALTH_ADDRESS"].rpartition(":")[2]
    assert int(handler) not in ports.values()
    for check in ("readinessProbe", "livenessProbe"):
        assert container[check]["httpGet"].items() >= {"host": "127.0.0.1", "port": ports["health"]}.items()
    rolling = objects[CONTROLLER]["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}


def test_the_hosts_network_changes_nothing_else(rendered: Render) -> None:
    """The handler, the Services and what they lead to are as they were; the NetworkPolicy would mean nothing."""
    usual, host = rendered(), rendered({"hostNetwork": True})
    policy = "NetworkPolicy nmstate/nmstate-webhook"
    assert usual.keys() - host.keys() == {policy}
    assert not host.keys() - usual.keys()
    assert {name for name in host if host[name] != usual[name]} == {CONTROLLER}


def node(*taints: dict[str, str]) -> NodeTaints:
    """A node with these taints."""
    return msgspec.convert({"spec": {"taints": list(taints)}}, NodeTaints)


CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
MASTER = {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}
NOT_OURS = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("nodes", "spec", "count"),
    [
        pytest.param([], {}, 1, id="no nodes"),
        pytest.param([node(), node()], {}, 1, id="workers only"),
        pytest.param([node(CONTROL_PLANE), node()], {}, 1, id="one control-plane node"),
        pytest.param([node(CONTROL_PLANE, MASTER)], {}, 1, id="one node with both taints"),
        pytest.param([node(CONTROL_PLANE), node(MASTER)], {}, 2, id="two control-plane nodes"),
        pytest.param([node(NOT_OURS), node(NOT_OURS)], {}, 1, id="taints that are not tolerated"),
        pytest.param(
            [node(NOT_OURS), node(NOT_OURS)], {"infraTolerations": [{"operator": "Exists"}]}, 2, id="all tolerated"
        ),
        pytest.param(
            [node(CONTROL_PLANE), node(CONTROL_PLANE)],
            {"infraTolerations": [{"key": "else", "operator": "Exists"}]},
            1,
            id="others tolerated",
        ),
    ],
)
def test_two_controllers_where_two_can_run(
    rendered: Render, nodes: list[NodeTaints], spec: dict[str, Any], count: int
) -> None:
    """Two replicas if more than one node bears a control-plane taint that is tolerated, else one."""
    assert rendered(spec, around=Surroundings(nodes=tuple(nodes)))[CONTROLLER]["spec"]["replicas"] == count


NETWORK_POLICY = "NetworkPolicy nmstate/nmstate-webhook"


def test_the_controller_talks_to_the_api_server_and_is_called_at_three_ports(rendered: Render) -> None:
    """In: webhook, metrics, health. Out: names, and the API server at this cluster's ports."""
    spec = rendered(around=Surroundings(api_ports=frozenset({6443, 16443})))[NETWORK_POLICY]["spec"]
    assert spec["podSelector"]["matchLabels"] == {"component": "kubernetes-nmstate-webhook", "name": "nmstate-webhook"}
    (come,) = spec["ingress"]
    assert [one["port"] for one in come["ports"]] == [8081, 8089, 9443]
    api, names = spec["egress"]
    assert [one["port"] for one in api["ports"]] == [443, 6443, 16443]
    assert {one["port"] for one in names["ports"]} == {53, 5353}


def test_an_api_server_whose_port_is_not_known_is_not_cut_off(rendered: Render) -> None:
    """Without its endpoints nothing is said about what goes out."""
    spec = rendered()[NETWORK_POLICY]["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert "egress" not in spec


def test_certificates_live_as_the_nmstate_says_or_by_default(rendered: Render) -> None:
    """All four durations reach the controller as they were written."""
    names = ("CA_ROTATE_INTERVAL", "CA_OVERLAP_INTERVAL", "CERT_ROTATE_INTERVAL", "CERT_OVERLAP_INTERVAL")
    by_default = environment(rendered()[CONTROLLER])
    assert [by_default[name] for name in names] == ["8760h0m0s", "24h0m0s", "4380h0m0s", "24h0m0s"]
    told = environment(rendered(EVERYTHING)[CONTROLLER])
    assert [told[name] for name in names] == ["1000h", "10h", "100h", "1h30m"]
