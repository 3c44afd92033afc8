"""What somebody may send to make admission slow: each is judged, and little is asked of libnmstate for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.admission.review import validate
from nmstate_k8s.domain.desired.binding import Computing
from nmstate_k8s.domain.desired.limits import MAX_STATE_BYTES
from tests.domain.admission.asking import asked, judged, node, node_state, other, policy, world
from tests.domain.admission.hostile import CAPTURES, STATES, eth

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

MOST_BYTES = 110 * MAX_STATE_BYTES
"""Handed to libnmstate for one policy: the search for a mistake asks a hundred times at most, mostly of a part."""


class Counting(Computing):
    """libnmstate, and how much was handed to it."""

    def __init__(self) -> None:
        self.handed = 0

    async def captures(self, expressions: bytes, current: bytes) -> bytes:
        self.handed += len(expressions) + len(current)
        return await super().captures(expressions, current)

    async def validate(self, desired: bytes, current: bytes) -> None:
        self.handed += len(desired) + len(current)
        await super().validate(desired, current)


def judge(desired: Any, capture: dict[str, str]) -> int:
    """How much was handed to libnmstate for the verdict."""
    counting = Counting()
    verdict = validate(asked(policy("one", desired, capture=capture)), world([], allow_dispatch=False), counting)
    assert verdict.allowed or verdict.message.startswith("spec.")
    assert len(verdict.message) <= 1_000
    return counting.handed


@pytest.mark.parametrize("name", STATES)
def test_a_hostile_state_is_judged_with_little_asked(name: str) -> None:
    """In bytes: a figure that is the same on every machine."""
    assert judge(STATES[name](), {"c0": "interfaces"}) <= MOST_BYTES


@pytest.mark.parametrize("name", CAPTURES)
def test_hostile_captures_are_judged_with_little_asked(name: str) -> None:
    """Each expression is read once, by itself."""
    assert judge({"interfaces": [eth()]}, CAPTURES[name]()) <= 2 * MAX_STATE_BYTES


def test_another_policy_that_no_node_takes_does_not_end_the_judgement() -> None:
    """Nor does a node that reports as much: nothing that reads them by recursion gets them."""
    deep = msgspec.json.decode(b'{"a":' * 900 + b"1" + b"}" * 900)
    others = [other("deep", {"interfaces": [eth(x=deep)]}), other("plain", {"interfaces": [eth(mtu=1500)]})]
    cluster = [*others, node("n1"), node_state("n1", eth(x=deep))]
    verdict = judged({"interfaces": [eth(mtu=9000)]}, others=cluster)
    assert verdict.allowed
    assert verdict.warnings == ('policy "plain" says otherwise for node n1: interfaces[eth1].mtu 1500, here 9000',)
    assert not judged({"interfaces": [eth(mttu=9000)]}, others=cluster).allowed
