"""Forth to this version and back to the one before, on a real API server: what either writes stays readable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from nmstate_k8s.api.crd import KINDS
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, NODE_STATES, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.installkit import ROOT

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

BEFORE = ROOT / "tests/compat/before"
NOW = ROOT / "manifests/crds"
OBJECTS = list(yaml.safe_load_all((BEFORE / "objects.yaml").read_text()))
RESOURCES = {one.kind: one for one in (NMSTATES, POLICIES, ENACTMENTS, NODE_STATES)}
MODELS = {kind.name: kind.model for kind in KINDS}

ADDED: dict[str, dict[str, Any]] = {
    # What this version knows and the one before does not.
    "NMState": {"spec": {"rollout": {"maxUnavailable": "10%"}}},
    "NodeNetworkConfigurationPolicy": {
        "spec": {"progressDeadlineSeconds": 60, "rollout": {"steps": [{"nodes": 1, "pause": {}}]}},
        "status": {
            "rollout": dict.fromkeys(("matching", "ready", "available", "progressing", "pending", "failing"), 1)
        },
    },
}


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    """An API server of our own."""
    with ControlPlane.start() as started:
        yield started


def of(found: Object) -> dict[str, Any]:
    """Spec and status, as they are read."""
    return {name: part for name, part in found.to_dict().items() if name in ("spec", "status")}


async def written(client: Client, body: dict[str, Any]) -> Object:
    """The object, with its status."""
    resource, name = RESOURCES[body["kind"]], body["metadata"]["name"]
    await client.create(resource, {one: part for one, part in body.items() if one != "status"})
    return await client.merge_patch(resource, name, {"status": body["status"]}, subresource="status")


async def test_forth_and_back(plane: ControlPlane) -> None:
    """No field of the version before is lost by the upgrade, by what this version adds, or by the way back."""
    async with Client(plane.config) as client:
        plane.install_crds(BEFORE / "crds")
        stored = {body["kind"]: of(await written(client, body)) for body in OBJECTS}
        for body in OBJECTS:
            assert stored[body["kind"]] == {name: body[name] for name in ("spec", "status") if name in body}

        plane.install_crds(NOW)
        for kind, before in stored.items():
            found = await client.get(RESOURCES[kind], _name(kind))
            assert of(found) == before, kind
            assert msgspec.to_builtins(found.view(MODELS[kind]).status)["conditions"], kind  # type: ignore[attr-defined]
            for part, added in ADDED.get(kind, {}).items():
                sub = "status" if part == "status" else ""
                found = await client.merge_patch(RESOURCES[kind], _name(kind), {part: added}, subresource=sub)
                assert added.items() <= of(found)[part].items(), kind

        plane.install_crds(BEFORE / "crds")
        for kind, before in stored.items():
            assert of(await client.get(RESOURCES[kind], _name(kind))) == before, kind
            # As a writer of the version before would, in both parts.
            for part in before:
                sub = "status" if part == "status" else ""
                body = {part: before[part], "metadata": {"annotations": {"written": "again"}}}
                found = await client.merge_patch(RESOURCES[kind], _name(kind), body, subresource=sub)
            assert of(found) == before, kind

        plane.install_crds(NOW)
        for kind, before in stored.items():
            assert of(await client.get(RESOURCES[kind], _name(kind))) == before, kind


def _name(kind: str) -> str:
    return next(body["metadata"]["name"] for body in OBJECTS if body["kind"] == kind)
