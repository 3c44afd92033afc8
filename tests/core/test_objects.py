"""Objects, keys, paths."""

import json
import sys
import tracemalloc
from datetime import UTC, datetime

import msgspec
import pytest

from nmstate_k8s.core.errors import MalformedObject
from nmstate_k8s.core.objects import Key, Object, Resource, drop_managed_fields

NODES = Resource("", "v1", "nodes", "Node")
PODS = Resource("", "v1", "pods", "Pod", namespaced=True)
POLICIES = Resource("nmstate.io", "v1", "nodenetworkconfigurationpolicies", "Policy")


class Spec(msgspec.Struct, frozen=True):
    """What a reader wants of a spec."""

    color: str


class Colored(msgspec.Struct, frozen=True):
    """A view."""

    spec: Spec


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(NODES.path("a"), "/api/v1/nodes/a", id="core group"),
        pytest.param(NODES.path(), "/api/v1/nodes", id="collection"),
        pytest.param(PODS.path("a", "n"), "/api/v1/namespaces/n/pods/a", id="namespaced"),
        pytest.param(PODS.path(), "/api/v1/pods", id="all namespaces"),
        pytest.param(
            POLICIES.path("a", subresource="status"),
            "/apis/nmstate.io/v1/nodenetworkconfigurationpolicies/a/status",
            id="subresource",
        ),
        pytest.param(NODES.path("system:x/y"), "/api/v1/nodes/system%3Ax%2Fy", id="quoted"),
    ],
)
def test_a_resource_knows_where_it_is_served(path: str, expected: str) -> None:
    """Group, namespace and subresource have their places in the path."""
    assert path == expected


def test_a_path_that_cannot_be_meant_is_refused() -> None:
    """A namespaced object needs its namespace, a cluster-scoped one has none."""
    with pytest.raises(ValueError, match="needs a namespace"):
        PODS.path("a")
    with pytest.raises(ValueError, match="cluster-scoped"):
        NODES.path("a", "default")


def test_metadata_is_read_from_the_bytes() -> None:
    """Times are aware, absent parts are empty."""
    obj = Object.from_dict(
        {
            "metadata": {
                "name": "a",
                "namespace": "n",
                "labels": {"x": "y"},
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u"}],
            }
        }
    )
    assert obj.key == Key("n", "a")
    assert str(obj.key) == "n/a"
    assert obj.labels == {"x": "y"}
    assert obj.metadata.creation_timestamp == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert obj.metadata.owner_references[0].kind == "Node"
    assert obj.metadata.deletion_timestamp is None


def test_a_view_reads_only_what_it_names() -> None:
    """Fields that the view does not know are no error."""
    obj = Object.from_dict({"spec": {"color": "red", "more": [1]}, "status": {}})
    assert obj.view(Colored) == Colored(Spec("red"))


def test_a_view_that_does_not_fit_names_the_object_and_the_field() -> None:
    """On call, one wants to know which object it was."""
    obj = Object.from_dict({"metadata": {"name": "a"}, "spec": {"color": 3}}, NODES)
    assert obj.name == "a"
    with pytest.raises(MalformedObject, match=r"Node a cannot be read as Colored: .*spec\.color"):
        obj.view(Colored)


def test_items_of_a_list_know_their_kind() -> None:
    """Lists of built-in kinds carry neither apiVersion nor kind per item."""
    obj = Object.from_dict({"metadata": {"name": "a"}}, PODS)
    assert (obj.api_version, obj.kind) == ("v1", "Pod")
    assert obj.to_dict()["kind"] == "Pod"
    assert Object.from_dict({"apiVersion": "v2", "kind": "X"}).api_version == "v2"


def test_dropping_managed_fields_keeps_the_rest() -> None:
    """Everything else is as the server said it."""
    whole = {
        "apiVersion": "v1",
        "metadata": {"name": "a", "managedFields": [{"manager": "x"}], "labels": {"a": "b"}},
        "spec": {"managedFields": "an innocent word"},
    }
    trimmed = drop_managed_fields(Object.from_dict(whole))
    del whole["metadata"]["managedFields"]  # type: ignore[attr-defined]
    assert json.loads(trimmed.raw) == whole
    assert drop_managed_fields(trimmed) is trimmed


MANAGED = '"managedFields":[{"manager":"x"}]'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            f'{{"metadata":{{"name":"a",{MANAGED},"uid":"u"}},"spec":{{}}}}',
            '{"metadata":{"name":"a","uid":"u"},"spec":{}}',
            id="in-the-middle",
        ),
        pytest.param(f'{{"metadata":{{"name":"a",{MANAGED}}}}}', '{"metadata":{"name":"a"}}', id="last"),
        pytest.param(f'{{"metadata":{{{MANAGED},"name":"a"}}}}', '{"metadata":{"name":"a"}}', id="first"),
        pytest.param(f'{{"metadata":{{{MANAGED}}}}}', '{"metadata":{}}', id="alone"),
        pytest.param('{"metadata":{"name":"a", "managedFields" : [ ] }}', '{"metadata":{"name":"a"}}', id="spaced"),
        pytest.param('{"metadata":{"name":"a","managedFields":null}}', '{"metadata":{"name":"a"}}', id="null"),
        pytest.param(
            f'{{"a":{{"x":1,{MANAGED}}},"metadata":{{{MANAGED},"name":"a"}},"z":{{"x":1,{MANAGED}}}}}',
            f'{{"a":{{"x":1,{MANAGED}}},"metadata":{{"name":"a"}},"z":{{"x":1,{MANAGED}}}}}',
            id="the-same-elsewhere",
        ),
        pytest.param(f'{{"spec":{{"x":1,{MANAGED}}}}}', f'{{"spec":{{"x":1,{MANAGED}}}}}', id="only-elsewhere"),
        pytest.param(
            f'{{"metadata":{{"name":"a"}},"spec":{{"x":1,{MANAGED}}}}}',
            f'{{"metadata":{{"name":"a"}},"spec":{{"x":1,{MANAGED}}}}}',
            id="elsewhere-beside-metadata",
        ),
    ],
)
def test_managed_fields_are_dropped_from_metadata_alone(before: str, after: str) -> None:
    """However they are written, and whatever else is called so."""
    assert drop_managed_fields(Object.from_bytes(before.encode(), NODES)).raw == after.encode()


def test_the_name_of_an_object_is_read_without_the_rest_of_its_metadata() -> None:
    """That takes more room than all else that a cache has beside the bytes, and many readers never want it."""
    metadata = {"name": "a", "namespace": "n", "labels": {"x": "y"}, "uid": "u", "resourceVersion": "7"}
    obj = Object.from_dict({"metadata": metadata}, PODS)
    tracemalloc.start()
    try:
        assert obj.key == Key("n", "a")
        assert obj.key is obj.key
        name = tracemalloc.get_traced_memory()[0]
        assert obj.metadata.labels == {"x": "y"}
        assert tracemalloc.get_traced_memory()[0] > 2 * name
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("raw", [b"{", b'{"metadata": []}', b'{"metadata": {"name": 1}}'])
def test_an_object_without_a_readable_name_says_so(raw: bytes) -> None:
    """And what it was to be."""
    with pytest.raises(MalformedObject, match="metadata of Node cannot be read"):
        Object(raw, NODES).key  # noqa: B018 - it is read


def test_what_is_trimmed_takes_no_more_memory_than_its_bytes() -> None:
    """Of five thousand objects the rest would be megabytes."""
    spec = {"text": "x" * 4000}
    whole = msgspec.json.encode({"metadata": {"name": "a", "managedFields": [{"manager": "x"}]}, "spec": spec})
    tracemalloc.start()
    kept = [drop_managed_fields(Object(bytes(bytearray(whole)), NODES)).raw for _ in range(100)]
    try:
        assert tracemalloc.get_traced_memory()[0] < 1.02 * sum(map(sys.getsizeof, kept)) + 4096
    finally:
        tracemalloc.stop()


def test_metadata_alone_is_still_of_its_kind() -> None:
    """The server calls it PartialObjectMetadata; whoever compares it with what he wrote must not see another kind."""
    resource = Resource("", "v1", "secrets", "Secret", namespaced=True)
    raw = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}
    found = Object.from_dict(raw, resource.as_metadata())
    assert found.to_dict() == {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
