"""What is installed beside where OpenShift's kinds are served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nmstate_k8s.domain.install.kinds import CONSOLE_PLUGINS, SECURITY_CONTEXT_CONSTRAINTS
from nmstate_k8s.domain.install.surroundings import Surroundings

Render = Callable[..., dict[str, dict[str, Any]]]

OPENSHIFT = Surroundings(served=frozenset({SECURITY_CONTEXT_CONSTRAINTS, CONSOLE_PLUGINS}))
CONSTRAINTS = "SecurityContextConstraints nmstate-handler"
PLUGIN = "ConsolePlugin nmstate-console-plugin"


def beside(rendered: Render, around: Surroundings, **settings: Any) -> set[str]:
    """What is installed there, and not elsewhere."""
    return set(rendered(around=around, **settings)) - set(rendered(**settings))


@pytest.mark.parametrize(
    ("served", "image", "expected"),
    [
        pytest.param(set(), "plugin:1", set(), id="elsewhere"),
        pytest.param({SECURITY_CONTEXT_CONSTRAINTS}, "plugin:1", {CONSTRAINTS}, id="no console"),
        pytest.param({SECURITY_CONTEXT_CONSTRAINTS, CONSOLE_PLUGINS}, "", {CONSTRAINTS}, id="no image of the plugin"),
        pytest.param(
            {CONSOLE_PLUGINS},
            "plugin:1",
            {
                PLUGIN,
                "ConfigMap nmstate/nmstate-console-plugin",
                "Deployment nmstate/nmstate-console-plugin",
                "NetworkPolicy nmstate/nmstate-console-plugin",
                "Service nmstate/nmstate-console-plugin",
                "ServiceAccount nmstate/nmstate-console-plugin",
            },
            id="a console",
        ),
    ],
)
def test_what_is_served_decides(rendered: Render, served: set[Any], image: str, expected: set[str]) -> None:
    """Nothing where the kinds are not; the plugin only with an image."""
    assert beside(rendered, Surroundings(served=frozenset(served)), console_plugin_image=image) == expected


def test_the_constraints_allow_what_the_handler_asks_for(rendered: Render) -> None:
    """Its account alone, and of the host no more than its pod has."""
    objects = rendered(around=OPENSHIFT, prefix="a")
    allowed = objects["SecurityContextConstraints a-nmstate-handler"]
    pod = objects["DaemonSet nmstate/a-nmstate-handler"]["spec"]["template"]["spec"]
    assert allowed["users"] == [f"system:serviceaccount:nmstate:{pod['serviceAccountName']}"]
    assert allowed["groups"] == []
    assert allowed["allowHostNetwork"] is pod["hostNetwork"] is True
    assert allowed["allowHostPID"] is allowed["allowHostIPC"] is allowed["allowHostPorts"] is False
    kinds = {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]}
    assert kinds == set(allowed["volumes"])


def test_the_controller_gets_constraints_on_the_hosts_network_alone(rendered: Render) -> None:
    """Its account alone: the network and its ports, and nothing else of the host."""
    name = "SecurityContextConstraints nmstate-controller"
    assert name not in rendered(around=OPENSHIFT)
    objects = rendered({"hostNetwork": True}, around=OPENSHIFT)
    allowed = objects[name]
    pod = objects["Deployment nmstate/nmstate-webhook"]["spec"]["template"]["spec"]
    assert allowed["users"] == [f"system:serviceaccount:nmstate:{pod['serviceAccountName']}"]
    assert {key for key, value in allowed.items() if value is True} == {
        "allowHostNetwork",
        "allowHostPorts",
        "readOnlyRootFilesystem",
    }
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == set(allowed["volumes"])


def test_the_plugin_is_found_by_the_console(rendered: Render) -> None:
    """ConsolePlugin, Service, pods and certificate lead to each other, also with a prefix; its own name has none."""
    objects = rendered(around=OPENSHIFT, prefix="a", console_plugin_image="plugin:1")
    backend = objects[PLUGIN]["spec"]["backend"]["service"]
    service = objects[f"Service {backend['namespace']}/{backend['name']}"]
    assert backend["port"] in [port["port"] for port in service["spec"]["ports"]]
    template = objects["Deployment nmstate/a-nmstate-console-plugin"]["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    made = service["metadata"]["annotations"]["service.beta.openshift.io/serving-cert-secret-name"]
    assert made in [volume.get("secret", {}).get("secretName") for volume in template["spec"]["volumes"]]


def test_the_plugins_pod_has_no_token_and_calls_nobody(rendered: Render) -> None:
    """It serves files."""
    objects = rendered(around=OPENSHIFT, console_plugin_image="plugin:1")
    pod = objects["Deployment nmstate/nmstate-console-plugin"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert not any("projected" in volume for volume in pod["volumes"])
    policy = objects["NetworkPolicy nmstate/nmstate-console-plugin"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy
