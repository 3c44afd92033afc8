"""What a cache does not keep is never held for a whole list."""

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.testing.transport import ScriptedTransport, listing, thing

NODES = Resource("", "v1", "nodes", "Node")

pytestmark = pytest.mark.asyncio


async def test_each_page_is_trimmed_before_the_next_is_asked_for() -> None:
    pages = [
        listing([thing("a", version=1), thing("b", version=2)], 9, "next"),
        listing([thing("c", version=3)], 9),
    ]
    transport = ScriptedTransport(pages)
    asked_for: dict[str, int] = {}

    def trim(obj: Object) -> Object:
        asked_for[obj.name] = len(transport.requests)
        return obj.with_raw(b'{"metadata":{"name":"%b"}}' % obj.name.encode())

    async with Client(ClusterConfig("https://x"), transport=transport) as client:
        found = await client.list(NODES, trim=trim)
    assert asked_for == {"a": 1, "b": 1, "c": 2}
    assert [obj.raw for obj in found.items] == [b'{"metadata":{"name":"%b"}}' % name for name in (b"a", b"b", b"c")]
