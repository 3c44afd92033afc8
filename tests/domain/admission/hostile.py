"""What somebody may send to make admission slow: desired states and captures of all sorts, as large as may be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.limits import MAX_STATE_BYTES
from nmstate_k8s.domain.desired.secrets import MASK

__all__ = ["CAPTURES", "STATES", "eth"]

ROOM = MAX_STATE_BYTES - 4_096


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
