"""What is chance is not seen, all else is."""

from typing import Any

from nmstate_k8s.core.objects import Object
from nmstate_k8s.testing.sameness import differences, without_chance

ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
OWNED_BY = {"apiVersion": "v1", "kind": "Thing", "name": "owner"}


def run(uid: str, **changes: Any) -> dict[str, Any]:
    """An owner and what it owns, as of one run."""
    owner = {"kind": "Thing", "metadata": {"name": "owner", "uid": uid, "resourceVersion": uid[0]}}
    metadata = {
        "name": "owned",
        "uid": f"{uid[:-1]}9",
        "generation": 1,
        "creationTimestamp": f"2026-01-0{uid[0]}T00:00:00Z",
        "ownerReferences": [OWNED_BY | {"uid": uid}],
        "managedFields": [{"manager": "m", "time": f"2026-01-0{uid[0]}T00:00:00Z", "fieldsV1": {f"k:{uid}": {}}}],
    }
    owned = {"kind": "Thing", "metadata": metadata, "spec": {"size": 1}, **changes}
    owned["metadata"] = {**metadata, **changes.get("metadata", {})}
    return without_chance([Object.from_dict(owner), Object.from_dict(owned)])


def test_two_runs_that_differ_by_chance_are_the_same() -> None:
    """Uids, versions and times."""
    assert differences(run(ONE), run(OTHER)) == []


def test_whatever_else_differs_is_seen() -> None:
    """With its place."""
    for changes, where in (
        ({"spec": {"size": 2}}, "Thing owned.spec.size"),
        ({"spec": {}}, "Thing owned.spec.size"),
        ({"metadata": {"generation": 2}}, "Thing owned.metadata.generation"),
        ({"metadata": {"ownerReferences": [OWNED_BY | {"uid": ONE}]}}, "Thing owned.metadata.ownerReferences[0].uid"),
        ({"metadata": {"creationTimestamp": None}}, "Thing owned.metadata.creationTimestamp"),
        ({"metadata": {"managedFields": []}}, "Thing owned.metadata.managedFields"),
    ):
        (found,) = differences(run(ONE), run(OTHER, **changes))
        assert found.startswith(where)


def test_an_object_that_is_missing_is_seen() -> None:
    """On either side."""
    whole = run(ONE)
    (found,) = differences(whole, {"Thing owner": whole["Thing owner"]})
    assert found.startswith("Thing owned: only in the first")


def test_the_address_of_a_service_is_chance_and_having_none_is_not() -> None:
    """One that was made again has another."""

    def service(address: str) -> dict[str, Any]:
        spec = {"clusterIP": address, "clusterIPs": [address], "ports": [{"port": 443}]}
        return without_chance([Object.from_dict({"kind": "Service", "metadata": {"name": "s"}, "spec": spec})])

    assert differences(service("10.96.0.7"), service("10.96.0.8")) == []
    assert differences(service("10.96.0.7"), service("None")) != []
