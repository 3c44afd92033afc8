"""The packages as their own programs read them: kubectl's kustomize, Helm, OLM; all say what install.yaml says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.packages.source import Body, Release, objects, parsed
from nmstate_k8s.testing.apiserver import ControlPlane, find_binary

pytestmark = pytest.mark.apiserver

ROOT = Path(__file__).parents[2]
CHART = ROOT / "manifests/helm/nmstate"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
OTHER = Release(f"registry.example/operator@{DIGEST}", f"registry.example/handler@{DIGEST}", namespace="net")
Objects = dict[tuple[str, str, str], Body]


def by_name(bodies: list[Body]) -> Objects:
    """The objects by kind, namespace and name; each once."""
    found = {(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]): body for body in bodies}
    assert len(found) == len(bodies)
    return found


def output(*command: str | Path, fails: bool = False, **more: Any) -> str:
    """What a program prints; on stderr where it has to fail."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def kustomized(folder: Path) -> Objects:
    """What kustomize makes of a folder."""
    return by_name(parsed(output(find_binary("kubectl"), "kustomize", folder)))


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Helm, with a home of its own."""
    home = tmp_path_factory.mktemp("helm")
    folders = {f"HELM_{name}_HOME": str(home / name) for name in ("CACHE", "CONFIG", "DATA")}

    def run(*words: str | Path, **more: Any) -> str:
        environment = {**os.environ, **folders, **more.pop("env", {})}
        return output(ROOT / "hack/gotool", "helm", *words, env=environment, **more)

    run("version", "--short")  # builds it where it is missing
    return run


def template(helm: Any, *words: str, namespace: str = "nmstate") -> Objects:
    """What the chart makes of values; with the namespace, which Helm otherwise makes by itself."""
    made = helm(
        "template", "nmstate", CHART, "--include-crds", "-n", namespace, "--set", "namespace.create=true", *words
    )
    return by_name(parsed(made))


def test_install_yaml_is_what_all_compare_with() -> None:
    """The file in the checkout is the list of objects."""
    assert parsed((ROOT / "install.yaml").read_text()) == objects(Release())


@pytest.mark.parametrize("folder", ["manifests/operator", "manifests/kustomize"])
def test_kustomize_makes_the_same_objects(folder: str) -> None:
    """The base, and the folder in which namespace and images are set."""
    assert kustomized(ROOT / folder) == by_name(objects(Release()))


def test_kustomize_takes_namespace_and_images_from_one_file(tmp_path: Path) -> None:
    """Wherever they stand, also in what a name is granted for; two files beside one's own are enough."""
    shutil.copytree(ROOT / "manifests", tmp_path / "checkout/manifests")
    ours, mine = tmp_path / "checkout/manifests/kustomize", tmp_path / "mine"
    mine.mkdir()
    overlay = yaml.safe_load((ours / "kustomization.yaml").read_text())
    overlay["resources"] = ["../checkout/manifests/operator", "settings.yaml"]
    overlay["components"] = ["../checkout/manifests/kustomize/component"]
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    settings = yaml.safe_load((ours / "settings.yaml").read_text())
    wanted = {
        "namespace": OTHER.namespace,
        "operatorImage": OTHER.operator_image,
        "handlerImage": OTHER.handler_image,
    }
    assert settings["data"].keys() == wanted.keys()
    settings["data"] = wanted
    (mine / "settings.yaml").write_text(yaml.safe_dump(settings))
    assert kustomized(mine) == by_name(objects(OTHER))


def test_the_chart_makes_the_same_objects(helm: Any) -> None:
    """Without values; and nothing more when the namespace is left to Helm."""
    assert template(helm) == by_name(objects(Release()))
    plain = by_name(parsed(helm("template", "nmstate", CHART, "--include-crds", "-n", "nmstate")))
    assert plain.keys() == by_name(objects(Release())).keys() - {("Namespace", "", "nmstate")}


def test_the_chart_takes_namespace_and_images_as_values(helm: Any) -> None:
    """Another release of the same source."""
    images = (f"operator.image={OTHER.operator_image}", f"handler.image={OTHER.handler_image}")
    made = template(helm, *(word for image in images for word in ("--set", image)), namespace=OTHER.namespace)
    assert made == by_name(objects(OTHER))


def test_a_value_changes_what_it_says_and_nothing_else(helm: Any) -> None:
    """Retries are a text in the environment, tolerations a list in the pod."""
    made = template(helm, "--set", "retries.attempts=7", "--set-json", 'operator.tolerations=[{"operator":"Exists"}]')
    wanted = by_name(objects(Release()))
    pod = wanted["Deployment", "nmstate", "nmstate-operator"]["spec"]["template"]["spec"]
    pod["tolerations"] = [{"operator": "Exists"}]
    (variable,) = (each for each in pod["containers"][0]["env"] if each["name"] == "NNCP_MAX_RETRIES")
    variable["value"] = "7"
    assert made == wanted


def test_the_chart_can_have_the_nmstate(helm: Any) -> None:
    """With the spec that the values give it."""
    made = template(helm, "--set", "nmstate.create=true", "--set", "nmstate.spec.logLevel=debug")
    nmstate = made.pop(("NMState", "", "nmstate"))
    assert nmstate["spec"] == {"logLevel": "debug"}
    assert made == by_name(objects(Release()))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("operator.imge=x", "imge"),
        ("operator.imagePullPolicy=Sometimes", "imagePullPolicy"),
        ("operator.image=an image", "operator/image"),
        ("retries.attempts=0", "attempts"),
        ("handler.prefix=Big_One", "prefix"),
        ("nmstate.spec.logLevl=debug", "logLevl"),
        ("nmstate.spec.probeConfiguration.timeoutSeconds=1000", "timeoutSeconds"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Any, value: str, told: str) -> None:
    """Before anything reaches the cluster."""
    assert told in helm("template", "nmstate", CHART, "--set", value, fails=True)


def test_helm_finds_nothing_to_complain_of(helm: Any) -> None:
    """Neither in the chart's form nor in its templates."""
    helm("lint", "--strict", CHART)


def test_helm_installs_upgrades_and_removes(helm: Any, control_plane: ControlPlane) -> None:
    """On a real API server, in a namespace of its own; policies' kinds and the NMState's stay."""
    environment = {"KUBECONFIG": str(control_plane.kubeconfig)}
    where = ("-n", "by-helm")

    def kubectl(*words: str) -> Any:
        return json.loads(output(find_binary("kubectl"), *words, "-o", "json", env=os.environ | environment))

    def deployment() -> Any:
        (found,) = kubectl("get", "deployments", *where)["items"]
        return found["spec"]["template"]["spec"]["containers"][0]

    helm("install", "nmstate", CHART, *where, "--create-namespace", env=environment)
    assert deployment()["image"] == Release().operator_image
    values = ("--set", f"operator.image={OTHER.operator_image}", "--set", "nmstate.create=true")
    said = helm("upgrade", "nmstate", CHART, *where, *values, env=environment)
    assert "kubectl delete nmstate/nmstate" in said
    assert deployment()["image"] == OTHER.operator_image
    assert [each["metadata"]["name"] for each in kubectl("get", "nmstates")["items"]] == ["nmstate"]
    helm("uninstall", "nmstate", *where, env=environment)
    assert kubectl("get", "deployments", *where)["items"] == []
    assert kubectl("get", "clusterroles", "-l", "app=kubernetes-nmstate-operator")["items"] == []
    assert kubectl("get", "crd", "nmstates.nmstate.io")["spec"]["group"] == "nmstate.io"


def verified(bundle: Path) -> list[str]:
    """What OLM's own program complains of in a bundle; it ends as if all were well."""
    done = subprocess.run(
        [ROOT / "hack/gotool", "operator-verify", "manifests", bundle, "--object_validate"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return re.findall(r"level=(?:error|fatal|warning) msg=\"(.*)\"", done.stderr)


def test_olm_takes_the_bundle() -> None:
    """Its own program finds nothing to complain of."""
    assert verified(ROOT / "manifests/olm") == []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("installModes:", "installMoods:", "install modes not found"),
        ("kind: ClusterServiceVersion", "kind: ClusterService", "unable to find a csv"),
        ("kind: NMState\n", "kind: NMStates\n", "not found"),
    ],
)
def test_olm_would_say_what_is_wrong_with_it(right: str, wrong: str, told: str, tmp_path: Path) -> None:
    """The program that found nothing finds this."""
    shutil.copytree(ROOT / "manifests/olm", tmp_path / "olm")
    file = tmp_path / "olm/manifests/nmstate.clusterserviceversion.yaml"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    assert any(told in complaint for complaint in verified(tmp_path / "olm"))


def test_install_yaml_can_be_applied_in_its_order(control_plane: ControlPlane) -> None:
    """In one go, twice, and taken away again."""
    environment = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    kubectl = find_binary("kubectl")
    for _ in range(2):
        said = output(kubectl, "apply", "--server-side", "-f", ROOT / "install.yaml", env=environment)
        assert "deployment.apps/nmstate-operator serverside-applied" in said
    left = [body for body in objects(Release()) if body["kind"] not in ("Namespace", "CustomResourceDefinition")]
    output(kubectl, "delete", "-f", "-", input=yaml.safe_dump_all(left), env=environment)


BLOCK = re.compile(r"^```yaml\n(apiVersion: .*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["installation.md", "security.md"])
def test_what_the_pages_tell_to_write_is_taken(page: str, control_plane: ControlPlane, crds: list[str]) -> None:
    """Each object of a page, by a server that refuses unknown fields."""
    environment = os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)}
    found = BLOCK.findall((ROOT / "docs" / page).read_text())
    assert found
    strictly = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    for text in found:
        output(find_binary("kubectl"), *strictly, input=text, env=environment)
