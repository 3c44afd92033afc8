"""Objects that another program made for an NMState."""

from __future__ import annotations

from typing import Any

import pytest

from nmstate_k8s.core.errors import Cause, Invalid
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.foreign import adoption, is_foreign, managers_only, must_be_made_anew

OWNED = [{"apiVersion": "nmstate.io/v1", "kind": "NMState", "name": "nmstate", "uid": "1"}]


def entry(manager: str, operation: str = "Update", subresource: str = "", **fields: Any) -> dict[str, Any]:
    """One manager, and the fields that it set."""
    made = {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields}
    return made | {"subresource": subresource} if subresource else made


OURS = entry("nmstate-operator", "Apply", **{"f:spec": {"f:a": {}}})
SPEC = {"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {"f:no": {}}}}}}
METADATA = {"f:metadata": {"f:annotations": {".": {}, "f:a": {}}}}
RESTART = {"f:spec": {"f:template": METADATA}}


def written_by(*entries: dict[str, Any], owners: Any = OWNED, kind: str = "DaemonSet") -> Object:
    """An object of these managers."""
    metadata = {"name": "x", "resourceVersion": "7", "ownerReferences": owners, "managedFields": list(entries)}
    return Object.from_dict({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata})


@pytest.mark.parametrize(
    ("found", "foreign"),
    [
        pytest.param(written_by(entry("manager")), True, id="written by another program"),
        pytest.param(written_by(entry("nmstate-operator")), True, id="ours by name, but not by apply"),
        pytest.param(written_by(OURS, entry("kubectl-edit", **SPEC)), True, id="somebody added to ours"),
        pytest.param(written_by(OURS, entry("kubectl", **RESTART)), False, id="somebody restarted the pods"),
        pytest.param(written_by(OURS, entry("kubectl", **METADATA)), False, id="somebody annotated it"),
        pytest.param(written_by(OURS, entry("nmstate-controller", "Apply", **SPEC)), False, id="our controller added"),
        pytest.param(written_by(OURS, entry("kube-controller-manager", **SPEC)), False, id="Kubernetes added"),
        pytest.param(written_by(OURS, entry("nmstate-operator", **SPEC)), False, id="we, by another kind of patch"),
        pytest.param(written_by(OURS, entry("hpa", subresource="scale", **SPEC)), False, id="a subresource"),
        pytest.param(
            written_by(OURS, entry("cloud", **SPEC), kind="MutatingWebhookConfiguration"),
            False,
            id="a cloud's exemption",
        ),
        pytest.param(written_by(entry("kubectl"), owners=[]), False, id="no NMState's: a user's namespace, a CRD"),
    ],
)
def test_what_is_foreign(found: Object, foreign: bool) -> None:
    """What an NMState owns and we never applied; also as it is kept in memory."""
    assert is_foreign(found) is foreign
    assert is_foreign(managers_only(found)) is foreign


def test_all_that_others_set_becomes_ours() -> None:
    """Of that very version; what Kubernetes' controllers set, and the status, stays theirs."""
    kubernetes = entry("kube-controller-manager", **{"f:metadata": {"f:annotations": {}}})
    status = entry("manager", subresource="status", **{"f:status": {}})
    found = written_by(
        entry("manager", **{"f:spec": {"f:a": {}, "f:b": {"f:c": {}}}}),
        kubernetes,
        entry("old-installer", "Apply", **{"f:spec": {"f:b": {"f:d": {}}}}),
        status,
    )
    test, mark, add = adoption(found)
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert mark["value"] == [{**OWNED[0], "controller": False}]
    *kept, ours = add["value"]
    assert kept == [kubernetes, status]
    assert (ours["manager"], ours["operation"], ours["apiVersion"]) == ("nmstate-operator", "Apply", "apps/v1")
    assert ours["fieldsV1"] == {"f:spec": {"f:a": {}, "f:b": {"f:c": {}, "f:d": {}}}}


def test_little_is_kept_in_memory_of_who_wrote() -> None:
    """Names yes, fields no; and all else as it was."""
    found = written_by(entry("manager", **{"f:spec": {"f:long": {}}}))
    kept = managers_only(found)
    assert b"f:long" not in kept.raw
    assert kept.to_dict()["metadata"]["ownerReferences"] == OWNED


@pytest.mark.parametrize(
    ("message", "anew"),
    [
        pytest.param("spec.selector: Invalid value: {}: field is immutable", True, id="a selector"),
        pytest.param("cannot change roleRef", True, id="a binding's role"),
        pytest.param("spec.template.spec.containers: Required value", False, id="anything else"),
    ],
)
def test_what_cannot_be_changed(message: str, anew: bool) -> None:
    """The refusal of such a change is told from that of an object that is wrong."""
    assert must_be_made_anew(Invalid(message)) is anew
    assert must_be_made_anew(Invalid("no", causes=(Cause("FieldValueInvalid", message, "spec"),))) is anew
