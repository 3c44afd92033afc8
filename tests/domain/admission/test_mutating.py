"""What is filled in while a policy is written."""

from datetime import UTC, datetime
from typing import Any

import jsonpatch
import msgspec
import pytest

from nmstate_k8s.api.meta import MUTATING_TIMESTAMP_ANNOTATION
from nmstate_k8s.core.admission import AdmissionRequest
from nmstate_k8s.core.patches import Operation
from nmstate_k8s.domain.admission.review import mutate_policy, mutate_status, mutate_timestamp

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
NANOSECONDS = "1767323045678901000"
OLD = "1700000000000000000"
CONDITION = {"type": "Available", "status": "True", "reason": "SuccessfullyConfigured"}


def policy(mtu: int = 1500, *, noted: str | None = None, status: Any = None) -> dict[str, Any]:
    """A policy that wants an MTU."""
    spec = {"desiredState": {"interfaces": [{"name": "eth1", "mtu": mtu}]}}
    metadata: dict[str, Any] = {"name": "one", "generation": 3}
    if noted is not None:
        metadata["annotations"] = {MUTATING_TIMESTAMP_ANNOTATION: noted, "description": "mine"}
    return {"metadata": metadata, "spec": spec} | ({} if status is None else {"status": status})


def asked(new: Any, old: Any = None) -> AdmissionRequest:
    """The API server's question."""
    return AdmissionRequest(
        "1", object=msgspec.Raw(msgspec.json.encode(new)), old_object=msgspec.Raw(msgspec.json.encode(old))
    )


def applied(found: list[Operation], to: dict[str, Any]) -> Any:
    """The object as it is after the patch."""
    return jsonpatch.apply_patch(to, found)


def test_a_changed_spec_loses_the_conditions_of_the_one_before() -> None:
    """And nothing else of the status."""
    new, old = policy(9000, status={"conditions": [CONDITION], "x": 1}), policy(status={"conditions": [CONDITION]})
    assert applied(mutate_policy(asked(new, old)), new)["status"] == {"conditions": [], "x": 1}


def test_a_change_that_is_none_of_the_spec_keeps_the_conditions() -> None:
    """A label is no new state."""
    new, old = policy(noted=OLD, status={"conditions": [CONDITION]}), policy(status={"conditions": [CONDITION]})
    assert mutate_policy(asked(new, old)) == []


@pytest.mark.parametrize("new", [policy(), policy(status={}), policy(status={"conditions": []}), None])
def test_where_there_are_no_conditions_there_is_nothing_to_clear(new: Any) -> None:
    """Also on a deletion."""
    assert mutate_policy(asked(new)) == []


@pytest.mark.parametrize(
    ("new", "old", "noted"),
    [
        pytest.param(policy(), None, NANOSECONDS, id="made"),
        pytest.param(policy(noted=OLD), None, NANOSECONDS, id="made of another one's text"),
        pytest.param(policy(9000, noted=OLD), policy(noted=OLD), NANOSECONDS, id="changed"),
        pytest.param(policy(noted=OLD), policy(noted=OLD), OLD, id="not changed"),
        pytest.param(policy(), policy(noted=OLD), OLD, id="taken away"),
        pytest.param(policy(noted="1"), policy(noted=OLD), OLD, id="forged"),
    ],
)
def test_the_moment_of_the_last_change_is_noted(new: dict[str, Any], old: Any, noted: str) -> None:
    """In nanoseconds, whatever the writer says."""
    found = applied(mutate_timestamp(asked(new, old), NOW), new)
    assert found["metadata"]["annotations"][MUTATING_TIMESTAMP_ANNOTATION] == noted
    kept = new["metadata"].get("annotations", {})
    assert found["metadata"]["annotations"] == kept | {MUTATING_TIMESTAMP_ANNOTATION: noted}


def test_a_write_that_changes_nothing_stays_one() -> None:
    """Or every `kubectl apply` would be a new resourceVersion."""
    assert mutate_timestamp(asked(policy(noted=OLD), policy(noted=OLD)), NOW) == []


@pytest.mark.parametrize("status", [None, {}, {"conditions": []}, {"conditions": None}])
def test_a_status_without_conditions_gets_them_as_unknown(status: Any) -> None:
    """In the order that people's tools expect."""
    new = policy(status=status)
    conditions = applied(mutate_status(asked(new), NOW), new)["status"]["conditions"]
    assert [each["type"] for each in conditions] == ["Available", "Degraded", "Progressing", "Ignored", "Ready"]
    assert {each["status"] for each in conditions} == {"Unknown"}
    assert {each["observedGeneration"] for each in conditions} == {3}


def test_a_status_with_conditions_stays_as_it_is() -> None:
    """They are the controller's."""
    assert mutate_status(asked(policy(status={"conditions": [CONDITION]})), NOW) == []
