"""Our pods before Pod Security, in namespaces that enforce it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import Forbidden
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import NAMESPACES
from nmstate_k8s.domain.install.surroundings import OPTIONAL, Surroundings
from nmstate_k8s.domain.kinds import DAEMONSETS, DEPLOYMENTS, NMSTATES, PODS
from tests.integration.installkit import ROOT, SETTINGS, manifests

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]


def workloads() -> dict[str, dict[str, Any]]:
    """The pod templates of the operator and of what it installs, by the workload's name."""
    written = yaml.safe_load_all((ROOT / "install.yaml").read_text())
    nmstate = Object.from_dict({"metadata": {"name": "nmstate", "uid": "none"}}, NMSTATES)
    settings = replace(SETTINGS, install=replace(SETTINGS.install, console_plugin_image="plugin:1"))
    made = manifests(nmstate, settings, Surroundings(served=frozenset(OPTIONAL)))
    bodies = [
        *(body for body in written if body["kind"] == "Deployment"),
        *(one.body for one in made if one.resource in (DEPLOYMENTS, DAEMONSETS)),
    ]
    return {body["metadata"]["name"]: body["spec"]["template"] for body in bodies}


async def admitted(client: Client, level: str, template: dict[str, Any]) -> bool:
    """Whether a namespace that enforces `level` would take such a pod."""
    namespace = f"pods-{level}"
    labels = {"pod-security.kubernetes.io/enforce": level}
    await client.apply(NAMESPACES, {"metadata": {"name": namespace, "labels": labels}}, field_manager="test")
    body = {"metadata": {"name": "one", "namespace": namespace}, "spec": template["spec"]}
    try:
        await client.create(PODS, body, dry_run=True)
    except Forbidden as error:
        if "PodSecurity" not in str(error):
            raise
        return False
    return True


async def test_all_but_the_handler_pass_restricted(client: Client) -> None:
    """The others need nothing that Pod Security's strictest level refuses; the handler needs the host."""
    found = {name: await admitted(client, "restricted", template) for name, template in workloads().items()}
    assert found == {
        "nmstate-operator": True,
        "nmstate-webhook": True,
        "nmstate-console-plugin": True,
        "nmstate-handler": False,
    }


async def test_the_handler_needs_privileged(client: Client) -> None:
    """Which our namespace allows, by its labels."""
    template = workloads()["nmstate-handler"]
    assert not await admitted(client, "baseline", template)
    assert await admitted(client, "privileged", template)
