"""The definitions that the API server is given."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.api.crd import custom_resource_definitions

ROOT = Path(__file__).parents[2]
CRDS = custom_resource_definitions()


def versions(kind: str) -> list[tuple[str, bool, bool, bool]]:
    """Name, served, storage, deprecated."""
    return [
        (each["name"], each["served"], each["storage"], each.get("deprecated", False))
        for each in CRDS[kind]["spec"]["versions"]
    ]


def test_the_storage_version_comes_first_and_the_old_one_is_deprecated() -> None:
    """v1beta1 of policies and of NMState is still served."""
    both = [("v1", True, True, False), ("v1beta1", True, False, True)]
    only = [("v1beta1", True, True, False)]
    assert {kind: versions(kind) for kind in CRDS} == {
        "NMState": both,
        "NodeNetworkConfigurationPolicy": both,
        "NodeNetworkConfigurationEnactment": only,
        "NodeNetworkState": only,
    }


def test_both_versions_have_the_same_fields() -> None:
    """There is no conversion webhook."""
    for kind in ("NMState", "NodeNetworkConfigurationPolicy"):
        first, second = CRDS[kind]["spec"]["versions"]
        assert first["schema"] == second["schema"]


def test_names_are_those_that_people_type() -> None:
    """Plural, short name, category, scope."""
    named = {
        kind: (crd["metadata"]["name"], crd["spec"]["names"].get("shortNames"), crd["spec"]["names"].get("categories"))
        for kind, crd in CRDS.items()
    }  # fmt: skip
    assert named == {
        "NMState": ("nmstates.nmstate.io", None, None),
        "NodeNetworkConfigurationPolicy": (
            "nodenetworkconfigurationpolicies.nmstate.io",
            ["nncp"],
            ["nodenetwork"],
        ),
        "NodeNetworkConfigurationEnactment": (
            "nodenetworkconfigurationenactments.nmstate.io",
            ["nnce"],
            ["nodenetwork"],
        ),
        "NodeNetworkState": ("nodenetworkstates.nmstate.io", ["nns"], ["nodenetwork"]),
    }
    assert all(crd["spec"]["scope"] == "Cluster" for crd in CRDS.values())


def columns(kind: str) -> list[tuple[str, str, str]]:
    """The columns that kubectl shows without -o wide."""
    return [
        (each["name"], each["type"], each["jsonPath"])
        for each in CRDS[kind]["spec"]["versions"][0].get("additionalPrinterColumns", [])
        if not each.get("priority")
    ]


def test_columns_show_the_first_true_condition() -> None:
    """Whatever is ours has priority 1."""
    status = ("Status", "string", '.status.conditions[?(@.status=="True")].type')
    reason = ("Reason", "string", '.status.conditions[?(@.status=="True")].reason')
    age = ("Status Age", "date", '.status.conditions[?(@.status=="True")].lastTransitionTime')
    assert {kind: columns(kind) for kind in CRDS} == {
        "NMState": [status, reason],
        "NodeNetworkConfigurationPolicy": [status, reason],
        "NodeNetworkConfigurationEnactment": [status, age, reason],
        "NodeNetworkState": [],
    }


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema, with its path."""
    for name, each in schema.get("properties", {}).items():
        yield f"{path}.{name}", each
        yield from fields(each, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if part in schema:
            yield from fields(schema[part], f"{path}[]")


@pytest.mark.parametrize("kind", CRDS)
def test_every_field_has_a_description(kind: str) -> None:
    """So that kubectl explain has something to say everywhere."""
    root = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    silent = [path for path, each in fields(root) if not each.get("description") and path != ".metadata"]
    assert not silent
    assert root["description"]


def test_a_new_object_is_in_progress_until_its_controller_has_seen_it() -> None:
    """kstatus takes an object without observedGeneration for finished."""
    for kind in ("NMState", "NodeNetworkConfigurationPolicy"):
        root = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert root["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_the_files_are_what_the_types_say() -> None:
    """hack/gen-crds --check finds no drift."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "hack" / "gen-crds"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
