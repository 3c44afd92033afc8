"""Objects that are nested as deeply as an API server takes them: one of them must not end who lists its kind."""

import json

import msgspec
import pytest

from nmstate_k8s.core.admission import MalformedReview, decode_review
from nmstate_k8s.core.errors import MalformedObject, Unavailable
from nmstate_k8s.core.nesting import MAX_LEVELS
from nmstate_k8s.core.objects import Key, Object, Resource, drop_managed_fields
from nmstate_k8s.core.watching import decode_watch_line
from nmstate_k8s.core.wire import decode_page
from nmstate_k8s.core.writes import Kind, Write, collecting, deleted

NODES = Resource("", "v1", "nodes", "Node")
HERE = json.dumps("here")


def nested(levels: int, *, kind: str = "mapping") -> str:
    """JSON of so many levels."""
    return '{"x":' * levels + "1" + "}" * levels if kind == "mapping" else "[" * levels + "]" * levels


def deep(levels: int, name: str = "a") -> str:
    """A Node with something nested in it."""
    metadata = {"name": name, "uid": name, "resourceVersion": "7", "managedFields": [{"manager": "m"}]}
    return json.dumps({"metadata": metadata, "spec": "here"}).replace(HERE, nested(levels))


class Spec(msgspec.Struct):
    """A view that skips what is nested."""

    other: int = 0


class Whole(msgspec.Struct):
    """What is nested, as bytes."""

    spec: msgspec.Raw


@pytest.mark.parametrize("kind", ["mapping", "list"])
def test_an_object_that_a_server_takes_can_be_read(kind: str) -> None:
    """Its name, its metadata and a view of it, also without managedFields."""
    text = deep(1).replace('{"x":1}', nested(MAX_LEVELS - 1, kind=kind))
    obj = drop_managed_fields(Object(text.encode(), NODES))
    assert (obj.name, obj.metadata.resource_version) == ("a", "7")
    assert obj.view(Spec) == Spec()
    assert bytes(obj.view(Whole).spec) == nested(MAX_LEVELS - 1, kind=kind).encode()


def test_a_list_and_a_watch_bring_it_with_the_others() -> None:
    """Who mirrors the kind goes on."""
    metadata = {"metadata": {"resourceVersion": "9"}, "items": ["here"]}
    body = json.dumps(metadata).replace(HERE, f"{deep(1, 'b')},{deep(MAX_LEVELS - 1)}")
    page = decode_page(body.encode(), NODES)
    assert [obj.name for obj in page.items] == ["b", "a"]
    line = json.dumps({"type": "ADDED", "object": "here"}).replace(HERE, deep(MAX_LEVELS - 1))
    assert decode_watch_line(line.encode(), NODES, "GET").object.name == "a"


def test_a_webhook_is_asked_about_it() -> None:
    """So that it can say no."""
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "object": "here"}}
    request = decode_review(json.dumps(review).replace(HERE, deep(MAX_LEVELS - 1)).encode())
    assert request.new is not None
    assert request.new.name == "a"


def test_its_deletion_is_told_like_others() -> None:
    """The answer brings the object once more, where something holds it."""
    told: list[Write] = []
    with collecting(told.append):
        deleted(NODES, Key("", "a"), deep(MAX_LEVELS - 1).replace('{"meta', '{"kind": "Node", "meta', 1).encode())
    assert [(each.kind, each.version) for each in told] == [(Kind.WRITTEN, 7)]


def test_what_no_server_sends_is_an_error_like_others() -> None:
    """It says what cannot be read; nothing but errors of the core's own comes out."""
    text = deep(5 * MAX_LEVELS)
    with pytest.raises(MalformedObject, match="metadata of Node cannot be read"):
        _ = Object(text.encode(), NODES).metadata
    with pytest.raises(MalformedObject, match="cannot be read as Spec"):
        Object(text.encode(), NODES).view(Spec)
    with pytest.raises(Unavailable, match="the list of nodes cannot be read"):
        decode_page(f'{{"items":[{text}]}}'.encode(), NODES)
    with pytest.raises(Unavailable, match="a line of the watch cannot be read"):
        decode_watch_line(f'{{"type":"ADDED","object":{text}}}'.encode(), NODES, "GET")
    with pytest.raises(MalformedReview, match="nested too deeply"):
        decode_review(f'{{"request":{{"object":{text}}}}}'.encode())
