"""What a server says that it serves, and what is made of an answer that says nothing."""

from collections.abc import Iterable
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.discovery import group_versions, is_served, resources
from nmstate_k8s.core.errors import ApiError, Unavailable
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.tables import table
from nmstate_k8s.core.transport import Response
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.transport import ScriptedTransport, answer, failure

WIDGETS = Resource("example.com", "v1", "widgets", "Widget", namespaced=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def client(answers: Iterable[Response | ApiError]) -> Client:
    return Client(ClusterConfig("https://x"), clock=LoopClock(), transport=ScriptedTransport(answers))


def said(**body: Any) -> Response:
    return answer(body)


async def test_the_preferred_version_comes_first() -> None:
    """Whatever the order in which they are told."""
    versions = [{"version": "v1beta1"}, {"version": "v1"}]
    server = client([said(versions=versions, preferredVersion={"version": "v1"})])
    assert await group_versions(server, "example.com") == ("v1", "v1beta1")


async def test_subresources_are_no_kinds() -> None:
    """They are told among them."""
    told = [
        {"name": "widgets", "kind": "Widget", "namespaced": True},
        {"name": "widgets/status", "kind": "Widget", "namespaced": True},
    ]
    assert await resources(client([said(resources=told)]), "example.com", "v1") == (WIDGETS,)


async def test_a_server_that_is_away_is_no_answer() -> None:
    """An aggregated API may be: its kinds are there or not, nobody can say."""
    with pytest.raises(Unavailable):
        await is_served(client([failure(503, "ServiceUnavailable")] * 5), WIDGETS)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"resources": 1, "versions": 1, "rows": 1}'])
async def test_what_cannot_be_read_is_no_answer_either(body: bytes) -> None:
    """As from something that stands where the API server should."""
    with pytest.raises(Unavailable):
        await resources(client([Response(200, {}, body)]), "example.com", "v1")
    with pytest.raises(Unavailable):
        await group_versions(client([Response(200, {}, body)]), "")
    with pytest.raises(Unavailable):
        await table(client([Response(200, {}, body)]), WIDGETS, "a", "default")
