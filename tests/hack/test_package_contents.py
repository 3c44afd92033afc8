"""The packages that need no other program to be looked at: the OLM bundle, and what a release must be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.packages import helm, olm
from hack.packages.source import Body, Release, objects, parsed
from hack.packages.values import VALUES, defaults

ROOT = Path(__file__).parents[2]
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
RELEASE = Release(
    f"registry.example/operator@{DIGEST}", f"registry.example/handler@{DIGEST}", namespace="net", version="1.2.3"
)


def _one(bodies: list[Body], kind: str, namespace: str | None = None) -> Body:
    (found,) = (
        body for body in bodies if body["kind"] == kind and namespace in (None, body["metadata"].get("namespace"))
    )
    return found


@pytest.fixture(scope="module")
def bundle() -> dict[str, Any]:
    """The bundle of a release, its YAML parsed."""
    return {name: yaml.safe_load(text) if name.endswith(".yaml") else text for name, text in olm.bundle(RELEASE)}


@pytest.fixture(scope="module")
def version(bundle: dict[str, Any]) -> Body:
    """The ClusterServiceVersion's spec."""
    spec: Body = bundle["manifests/nmstate.clusterserviceversion.yaml"]["spec"]
    return spec


def test_olm_makes_the_same_deployment(version: Body) -> None:
    """Name, labels and all of the spec."""
    wanted = _one(objects(RELEASE), "Deployment")
    (made,) = version["install"]["spec"]["deployments"]
    assert made == {
        "name": wanted["metadata"]["name"],
        "label": wanted["metadata"]["labels"],
        "spec": wanted["spec"],
    }


def test_olm_grants_the_same_rules(version: Body) -> None:
    """To the same account; what the operator needs in `default` is granted in the cluster."""
    bodies = objects(RELEASE)
    account = _one(bodies, "ServiceAccount")["metadata"]["name"]
    far = _one(bodies, "ClusterRole")["rules"] + _one(bodies, "Role", "default")["rules"]
    install = version["install"]["spec"]
    assert install["clusterPermissions"] == [{"serviceAccountName": account, "rules": far}]
    near = _one(bodies, "Role", "net")["rules"]
    assert install["permissions"] == [{"serviceAccountName": account, "rules": near}]


def test_olm_brings_every_kind_of_object_that_is_installed(bundle: dict[str, Any]) -> None:
    """A new kind of object among the operator's has to find a place in the bundle."""
    by_olm = {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Deployment"}
    for body in objects(RELEASE):
        if body["kind"] not in by_olm:
            assert body in bundle.values()


def test_olm_knows_every_image(version: Body) -> None:
    """Mirrors of disconnected clusters copy what relatedImages has."""
    assert {each["image"] for each in version["relatedImages"]} == {RELEASE.operator_image, RELEASE.handler_image}
    assert set(_images(version["install"])) == {RELEASE.operator_image, RELEASE.handler_image}


def _images(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node] if "registry.example/" in node else []
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [image for child in children for image in _images(child)]


def test_the_bundle_s_labels_are_its_annotations(bundle: dict[str, Any]) -> None:
    """OLM reads the one from the image, the other from the files."""
    lines = bundle["bundle.Dockerfile"].splitlines()
    labels = dict(line.removeprefix("LABEL ").split("=", 1) for line in lines if line.startswith("LABEL "))
    assert labels == bundle["metadata/annotations.yaml"]["annotations"]
    copied = {line.split()[1] for line in lines if line.startswith("COPY ")}
    assert copied == {name.split("/")[0] for name in bundle if "/" in name}


def test_the_chart_s_defaults_are_the_operator_s_own() -> None:
    """Each value with a place in the Deployment has the default that stands there, and is set by nothing else."""
    files = dict(helm.chart(Release()))
    values = yaml.safe_load(files["values.yaml"])
    for value, default in defaults():
        found = values
        for part in value.name.split("."):
            found = found[part]
        assert found == default, value.name
        if value.place is not None:
            assert files["templates/deployment.yaml"].count(f".Values.{value.name} ") == 1, value.name


def test_every_value_has_a_schema_and_words() -> None:
    """`additionalProperties: false` refuses all that is not listed."""
    schema = json.loads(dict(helm.chart(Release()))["values.schema.json"])
    for value in VALUES:
        place = schema
        for part in value.name.split("."):
            assert place["additionalProperties"] is False
            place = place["properties"][part]
        assert place["description"].endswith(".")


def test_a_chart_of_a_release_has_its_images_and_version() -> None:
    """Who installs the chart without values gets the release."""
    files = dict(helm.chart(RELEASE))
    values, about = yaml.safe_load(files["values.yaml"]), yaml.safe_load(files["Chart.yaml"])
    assert (values["operator"]["image"], values["handler"]["image"]) == (RELEASE.operator_image, RELEASE.handler_image)
    assert about["version"] == about["appVersion"] == "1.2.3"


def _package(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, str(ROOT / "hack/package"), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_release_names_its_images_by_digest(tmp_path: Path) -> None:
    """A tag may be another image tomorrow."""
    said = _package("--out", str(tmp_path), "--operator-image", RELEASE.operator_image, "--handler-image", "handler:1")
    assert said.returncode == 2
    assert "by their digest" in said.stderr
    assert not list(tmp_path.iterdir())


def test_a_release_is_written_whole(tmp_path: Path) -> None:
    """Every file of the checkout's packages, also those that are written by hand, with the release's images."""
    images = ("--operator-image", RELEASE.operator_image, "--handler-image", RELEASE.handler_image)
    said = _package("--out", str(tmp_path), *images, "--namespace", "net", "--version", "1.2.3")
    assert said.returncode == 0, said.stderr
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    folders = ("manifests/helm", "manifests/kustomize", "manifests/olm")
    there = {str(p.relative_to(ROOT)) for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file()}
    assert written == there | {"install.yaml"}
    assert parsed((tmp_path / "install.yaml").read_text()) == objects(RELEASE)
    assert "localhost/" not in "".join(path.read_text() for path in tmp_path.rglob("*.yaml"))
