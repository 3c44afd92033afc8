"""What the version before has written is readable, and what this one writes the version before can read.

tests/compat/before has the kinds of the version before, and objects as it wrote them; both are replaced at a release.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from nmstate_k8s.api.crd import KINDS, custom_resource_definitions
from nmstate_k8s.api.model import to_json
from nmstate_k8s.testing.compatibility import narrowed

BEFORE = Path(__file__).parents[1] / "compat/before"
KINDS_BEFORE = {
    body["spec"]["names"]["kind"]: body
    for path in sorted((BEFORE / "crds").glob("*.yaml"))
    for body in yaml.safe_load_all(path.read_text())
}
NOW = {body["spec"]["names"]["kind"]: body for body in custom_resource_definitions().values()}
MODELS = {kind.name: kind.model for kind in KINDS}
OBJECTS = list(yaml.safe_load_all((BEFORE / "objects.yaml").read_text()))

ON_PURPOSE = {
    # What was never an address is refused when it is written, not only by the controller that cannot serve there.
    ".spec.metricsConfiguration.bindAddress: pattern is new, or tighter",
}


@pytest.mark.parametrize("kind", sorted(KINDS_BEFORE))
def test_nothing_is_taken_away(kind: str) -> None:
    """Fields, values, versions and columns are only ever added, and nothing more is asked for."""
    lines = {line.partition(": ")[2] for line in narrowed(KINDS_BEFORE[kind], NOW[kind])}
    assert lines - ON_PURPOSE == set()


@pytest.mark.parametrize("body", OBJECTS, ids=lambda body: body["kind"])
def test_objects_of_the_version_before_are_read_whole(body: dict[str, Any]) -> None:
    """Nothing of their status is lost on the way through our types."""
    model = MODELS[body["kind"]]
    read = to_json(msgspec.convert(body, model))
    assert read["status"] == to_json(msgspec.convert(yaml.safe_load(yaml.safe_dump(read)), model))["status"]
    assert leaves(body["status"]) <= leaves(read["status"])


@pytest.mark.parametrize("body", OBJECTS, ids=lambda body: body["kind"])
def test_what_a_later_version_adds_is_no_error(body: dict[str, Any]) -> None:
    """In every map of an object: a reader leaves alone what it does not know."""
    model = MODELS[body["kind"]]
    assert msgspec.convert(with_more(body), model) == msgspec.convert(body, model)


FREE = ("desiredState", "currentState", "state", "capture", "capturedStates", "nodeSelector", "infraNodeSelector")
MAPS = ("retryCount", "timing", "unavailableNodeCountMap", "matchLabels")


def with_more(value: Any, name: str = "") -> Any:
    """The same with a field more in each map that has a shape of ours."""
    if isinstance(value, list):
        return [with_more(one) for one in value]
    if not isinstance(value, dict) or name in FREE:
        return value
    whole = {key: with_more(inner, key) for key, inner in value.items()}
    return whole if name in MAPS else {**whole, "ofALaterVersion": {"a": [1]}}


def leaves(value: Any, path: str = "") -> set[tuple[str, str]]:
    """All values with their places; times as moments."""
    if isinstance(value, dict):
        return {leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}")}
    if isinstance(value, list | tuple):
        return {leaf for number, inner in enumerate(value) for leaf in leaves(inner, f"{path}[{number}]")}
    return {(path, str(value).replace("+00:00", "Z").replace(" ", "T"))}


Change = Callable[[dict[str, Any]], Any]


def spec_of(crd: dict[str, Any]) -> dict[str, Any]:
    """The properties of the first version's spec."""
    properties: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return properties


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param(lambda crd: crd["spec"].update(scope="Namespaced"), "scope: another one", id="scope"),
        pytest.param(lambda crd: crd["spec"]["names"].update(shortNames=[]), "nncp is gone", id="a short name"),
        pytest.param(
            lambda crd: crd["spec"]["versions"][1].update(served=False), "v1beta1: not served", id="a version"
        ),
        pytest.param(lambda crd: crd["spec"]["versions"].pop(0), "v1: stored", id="the stored version"),
        pytest.param(lambda crd: crd["spec"]["versions"][0].pop("subresources"), "subresource status", id="status"),
        pytest.param(
            lambda crd: crd["spec"]["versions"][0]["additionalPrinterColumns"].pop(0), "columns", id="a column"
        ),
        pytest.param(lambda crd: spec_of(crd)["properties"].pop("capture"), ".spec.capture: is gone", id="a field"),
        pytest.param(lambda crd: spec_of(crd).update(required=["capture"]), ".spec.capture: must be", id="required"),
        pytest.param(
            lambda crd: spec_of(crd)["properties"]["capture"].update(type="string"), "another type", id="a type"
        ),
        pytest.param(
            lambda crd: spec_of(crd)["properties"]["capture"]["additionalProperties"].update(maxLength=3),
            ".spec.capture.*: maxLength",
            id="a limit",
        ),
        pytest.param(
            lambda crd: spec_of(crd)["properties"]["capture"]["additionalProperties"].update(enum=["a"]),
            ".spec.capture.*: fewer values",
            id="an enum",
        ),
        pytest.param(lambda crd: spec_of(crd)["properties"].pop("desiredState"), ".spec.desiredState", id="a state"),
        pytest.param(
            lambda crd: spec_of(crd)["properties"]["desiredState"].pop("x-kubernetes-preserve-unknown-fields"),
            "not kept",
            id="an open field",
        ),
        pytest.param(
            lambda crd: spec_of(crd).update({"x-kubernetes-validations": [{"rule": "false"}]}), "a rule", id="a rule"
        ),
    ],
)
def test_the_comparison_sees(change: Change, line: str) -> None:
    """Each way to break readers or writers of the version before is named with its place."""
    before = NOW["NodeNetworkConfigurationPolicy"]
    after = copy.deepcopy(before)
    change(after)
    assert any(line in said for said in narrowed(before, after)), narrowed(before, after)


def test_the_comparison_lets_things_grow() -> None:
    """A field, a value or a version more, a limit less: nothing is said."""
    before = NOW["NodeNetworkConfigurationPolicy"]
    after = copy.deepcopy(before)
    spec_of(after)["properties"]["new"] = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    after["spec"]["versions"].append({**after["spec"]["versions"][0], "name": "v2", "storage": False})
    assert narrowed(before, after) == []
