"""What somebody may send to make admission slow: each is judged, and little is asked of libnmstate for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest

from nmstate_k8s.domain.admission.review import validate
from nmstate_k8s.domain.desired.binding import Computing
from nmstate_k8s.domain.desired.limits import MAX_STATE_BYTES
from nmstate_k8s.domain.desired.secrets import MASK
from tests.domain.admission.asking import asked, judged, node, node_state, other, policy, world

pytest.importorskip("libnmstate", reason="hack/wheel --install .venv/bin/python")

ROOM = MAX_STATE_BYTES - 4_096
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


def many(entry: Callable[[int], Any], room: int = ROOM) -> list[Any]:
    """As many as there is room for."""
    found: list[Any] = []
    for number in count():
        found.append(entry(number))
        room -= len(msgspec.json.encode(found[-1])) + 1
        if room < 0:
            return found[:-1]
    return found


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def eth(**more: Any) -> dict[str, Any]:
    return {"name": "eth1", "type": "ethernet", "state": "up", **more}


def bridge(port: list[Any]) -> dict[str, Any]:
    return {"interfaces": [{"name": "br1", "type": "linux-bridge", "state": "up", "bridge": {"port": port}}]}


def ip(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


STATES: dict[str, Callable[[], Any]] = {
    "99 levels": lambda: {"interfaces": [eth(mtu=nested(95))]},
    "thousands of levels": lambda: {"interfaces": [eth(mtu=nested(900))]},
    "interfaces": lambda: {"interfaces": many(lambda number: {"name": f"{number}"})},
    "a mistake after thousands": lambda: {"interfaces": [*many(lambda number: eth(name=f"e{number}")), eth(mttu=1)]},
    "types": lambda: {"interfaces": many(lambda number: {"name": f"e{number}", "type": f"wire{number}"})},
    "nested interfaces": lambda: {
        "interfaces": [
            {"name": f"v{number}", "type": "vlan", "vlan": {"base-iface": f"v{number + 1}", "id": 1}}
            for number in range(499)
        ]
    },
    "ports of a bridge": lambda: bridge(many(lambda number: {"name": f"e{number}"}, ROOM // 5)),
    "ports of a bond": lambda: {
        "interfaces": [
            {
                "name": "bond0",
                "type": "bond",
                "link-aggregation": {"mode": "balance-rr", "port": many(lambda number: f"e{number}")},
            }
        ]
    },
    "tags": lambda: bridge(
        [{"name": "e", "vlan": {"mode": "trunk", "trunk-tags": many(lambda number: {"id": number % 4094})}}]
    ),
    "wrong addresses": lambda: {
        "interfaces": [eth(ipv4={"enabled": True, "address": many(lambda each: {"ip": ip(each), "prefix-length": 64})})]
    },
    "rules": lambda: {"route-rules": {"config": many(lambda number: {"ip-from": ip(number), "route-table": 200})}},
    "routes": lambda: {
        "routes": {"config": many(lambda number: {"destination": f"{ip(number)}/32", "next-hop-interface": "eth1"})}
    },
    "unknown keys": lambda: {"interfaces": [eth(**{f"k{number}": 1 for number in range(900)})]},
    "more unknown keys": lambda: {"interfaces": [eth(**{f"k{number}": 1 for number in range(20_000)})]},
    "skipped keys": lambda: {"interfaces": [eth(**{"802.1x": {f"passwor{number}": "x" for number in range(900)}})]},
    "a long key": lambda: {"interfaces": [eth(**{"m" * 200_000: 1})]},
    "long names of secrets": lambda: {
        "interfaces": [eth(**{"802.1x": {f"{'passwrd' * 300}{number}": "x" for number in range(100)}})]
    },
    "a long name": lambda: {"interfaces": [eth(name="n" * 200_000, mttu=1)]},
    "a long type": lambda: {"interfaces": [eth(type="ethernett" * 20_000)]},
    "masks": lambda: {"interfaces": many(lambda number: eth(name=f"e{number}", **{"802.1x": {"password": MASK}}))},
    "references": lambda: {"interfaces": many(lambda number: {"name": "{{ capture.c0.interfaces.0.name }}"})},
    "braces": lambda: {"interfaces": [eth(description="{{" * 60_000 + "}}")]},
    "braces that do not end": lambda: {"interfaces": [eth(description="capture." + "{{" * 100_000)]},
    "a key like a refusal": lambda: {
        "interfaces": [eth(**{"interface x holds different interface type, invalid type: " * 4_000: 1})]
    },
    "a number of thousands of digits": lambda: {"interfaces": [eth(mtu=10**4000)]},
}
CAPTURES: dict[str, Callable[[], dict[str, str]]] = {
    "thousands": lambda: {f"c{number}": 'interfaces.name=="eth0"' for number in range(6_000)},
    "a chain": lambda: (
        {f"c{number}": f'capture.c{number + 1} | interfaces.name=="e"' for number in range(5_000)}
        | {"c5000": "interfaces"}
    ),
    "a circle": lambda: {
        f"c{number}": f'capture.c{(number + 1) % 5_000} | interfaces.mtu=="1"' for number in range(5_000)
    },
    "a long path": lambda: {"c": f'interfaces.{"a." * 100_000}b=="x"'},
    "pipes": lambda: {"c": "|" * 200_000},
    "what a refusal ends with": lambda: {"c": "interfaces.name==\n| " + " in `" * 20_000 + "\n| " * 20_000},
    "an open quote": lambda: {"c": f'interfaces.name=="{"x" * 200_000}'},
    "names that are alike": lambda: (
        {f"{'c' * 1_000}{number}": "interfaces" for number in range(250)} | {"z": f"capture.{'c' * 1_000}x"}
    ),
}


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
