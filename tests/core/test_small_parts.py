"""Limits, predicates and mappers."""

import asyncio

import pytest

from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.mappers import label_value, owner_of
from nmstate_k8s.core.objects import Key, Object, Resource
from nmstate_k8s.core.predicates import (
    all_of,
    any_of,
    created,
    deleted,
    generation_changed,
    labels_changed,
    negate,
)
from nmstate_k8s.core.ratelimit import Backoff, ItemBackoff, MaxOf, TokenBucket
from nmstate_k8s.core.serving import parse_address
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.transport import thing


def node(generation: int = 1, **labels: str) -> Object:
    """An object with a generation and labels."""
    return Object.from_dict(thing("a", version=1, metadata={"generation": generation, "labels": labels}))


def test_an_items_delays_double_up_to_the_limit() -> None:
    """Also after very many failures."""
    limiter = ItemBackoff(1, 60)
    assert [limiter.when("a") for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    for _ in range(2000):
        limiter.when("a")
    assert limiter.when("a") == 60


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_bucket_bounds_the_rate_over_all() -> None:
    """A burst is free, then everybody waits for his token."""
    bucket = TokenBucket(rate=2, burst=3, clock=LoopClock())
    assert [bucket.when(n) for n in range(5)] == [0, 0, 0, 0.5, 1.0]
    await asyncio.sleep(10)
    assert [bucket.allow() for _ in range(4)] == [True, True, True, False]


def test_the_most_patient_limiter_decides() -> None:
    """And all of them learn of success."""
    limiter = MaxOf(ItemBackoff(1, 60), ItemBackoff(3, 60))
    assert limiter.when("a") == 3
    assert limiter.failures("a") == 1
    limiter.forget("a")
    assert limiter.failures("a") == 0


def test_a_loops_waits_are_spread() -> None:
    """Many processes must not march in step."""
    delays = {Backoff(10, 10).next() for _ in range(50)}
    assert len(delays) > 40
    assert all(5 <= delay <= 10 for delay in delays)


def test_predicates_compare_what_was_with_what_is() -> None:
    """Creations and deletions pass them."""
    same, spec = Event(node(1), node(1, x="y")), Event(node(1), node(2))
    assert (generation_changed(same), generation_changed(spec)) == (False, True)
    assert (labels_changed(same), labels_changed(spec)) == (True, False)
    assert generation_changed(Event(None, node()))
    assert generation_changed(Event(node(), None))
    assert created(Event(None, node()))
    assert deleted(Event(node(), None))
    assert any_of(generation_changed, labels_changed)(same)
    assert not all_of(generation_changed, labels_changed)(same)
    assert negate(generation_changed)(same)


def test_mappers_find_owners_and_names() -> None:
    """An owner of another version is the same kind; one of another group is not."""
    reference = {"apiVersion": "apps/v1beta9", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": True}
    other = reference | {"apiVersion": "other/v1"}
    pod = Object.from_dict(
        thing("p", version=1, namespace="n", metadata={"ownerReferences": [reference, other], "labels": {"l": "v"}})
    )
    daemon_sets = Resource("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
    assert list(owner_of(daemon_sets)(pod)) == [Key("n", "d")]
    assert list(label_value("l")(pod)) == [Key("", "v")]
    assert list(label_value("absent")(pod)) == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [(":8081", (None, 8081)), ("127.0.0.1:1", ("127.0.0.1", 1)), ("[::1]:2", ("::1", 2))],
)
def test_addresses(address: str, expected: tuple[str | None, int]) -> None:
    """Host and port, the host may be left out."""
    assert parse_address(address) == expected


def test_what_is_no_address_is_refused() -> None:
    """With an example of one."""
    with pytest.raises(ValueError, match="host:port"):
        parse_address("8081")
