"""How the API server comes to the webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nmstate_k8s.domain.install.drift import holds

Render = Callable[..., dict[str, dict[str, Any]]]
MUTATING = "MutatingWebhookConfiguration nmstate"
VALIDATING = "ValidatingWebhookConfiguration nmstate"


def hooks(objects: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """All that are configured."""
    return [hook for name in (MUTATING, VALIDATING) for hook in objects[name]["webhooks"]]


def test_the_paths_are_those_that_people_know(rendered: Render) -> None:
    """Those of the Go system, and one that judges."""
    assert [hook["clientConfig"]["service"]["path"] for hook in hooks(rendered())] == [
        "/nodenetworkconfigurationpolicies-mutate",
        "/nodenetworkconfigurationpolicies-status-mutate",
        "/nodenetworkconfigurationpolicies-timestamp-mutate",
        "/nodenetworkconfigurationpolicies-validate",
    ]


def test_a_policy_never_depends_on_them(rendered: Render) -> None:
    """Ignored where they fail, soon; and a dry run is one."""
    assert sum(hook["timeoutSeconds"] for hook in hooks(rendered()) if "status" not in hook["name"]) <= 9
    for hook in hooks(rendered()):
        assert hook["failurePolicy"] == "Ignore"
        assert hook["sideEffects"] == "None"
        assert hook["rules"][0]["apiGroups"] == ["nmstate.io"]


def test_the_service_leads_to_the_controllers_pods(rendered: Render) -> None:
    """At the port that they say."""
    objects = rendered()
    service, pods = objects["Service nmstate/nmstate-webhook"]["spec"], objects["Deployment nmstate/nmstate-webhook"]
    template = pods["spec"]["template"]
    (port,) = service["ports"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert (port["port"], ports[port["targetPort"]]) == (443, 9443)
    assert {"name": "WEBHOOK_ADDRESS", "value": ":9443"} in container["env"]
    for hook in hooks(objects):
        assert hook["clientConfig"]["service"]["name"] == "nmstate-webhook"


@pytest.mark.parametrize("name", [MUTATING, VALIDATING])
def test_whom_the_api_server_trusts_is_not_the_operators_business(rendered: Render, name: str) -> None:
    """It does not say, and what others say is no drift."""
    wanted = rendered()[name]
    assert all("caBundle" not in hook["clientConfig"] for hook in wanted["webhooks"])
    found = {**wanted, "webhooks": [dict(hook) for hook in wanted["webhooks"]]}
    for hook in found["webhooks"]:
        hook["clientConfig"] = {**hook["clientConfig"], "caBundle": "xyz"}
    assert holds(wanted, found)


def test_the_secret_is_made_empty(rendered: Render) -> None:
    """What is in it is the controller's; the operator does not even see it."""
    body = rendered()["Secret nmstate/nmstate-certificates"]
    assert set(body) == {"apiVersion", "kind", "metadata"}


def test_the_controller_is_told_of_prefix_and_scripts(rendered: Render) -> None:
    """And of nothing that is as usual."""
    for spec, prefix, told in (({}, "", {}), ({"allowDispatch": True}, "alice", {"HANDLER_PREFIX", "ALLOW_DISPATCH"})):
        objects = rendered(spec, prefix=prefix)
        name = f"{prefix}-nmstate-webhook".removeprefix("-")
        (container,) = objects[f"Deployment nmstate/{name}"]["spec"]["template"]["spec"]["containers"]
        names = {each["name"] for each in container["env"]}
        assert names & {"HANDLER_PREFIX", "ALLOW_DISPATCH"} == set(told)
