"""A node's state without what is different each time by nature: what two of them share is what a policy made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from e2e.kit import Node, eventually

__all__ = ["differences", "sight", "steady_sight"]

Json = dict[str, Any]

_BY_CHANCE = {"vrf": {"address"}}
"""By kind of link: what the kernel draws lots for."""
_WALKING = frozenset(
    {"active_slave", "ad_info", "ad_aggregator_id", "mii_status", "link_failure_count", "fdb_n_learned"}
)
_NEGOTIATED = re.compile(r"ad_(?:actor|partner)_oper_port_state")
_OF_LACP = "ad_"
"""So begins what a bond of another mode than 802.3ad still has from an earlier one, and makes no use of."""
_OF_A_PORT = {"bridge": {"id", "no", "designated_port"}, "bond": {"state"}}
"""By kind of controller: a bridge numbers its ports in the order in which they happen to come, a bond uses any one."""
_OF_A_BONDS_PORT = frozenset({"allmulti", "promiscuity"})
"""A bond hands on to the port in use alone what is asked of it."""
_OF_THE_KERNEL = frozenset({"tso_max_size"})
"""What a bridge takes over from its ports as they come; no policy can say it."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def sight(node: Node) -> Json:
    """Kernel and profiles. Profiles name each other by their ids, not by UUIDs."""
    state = node.state()
    return {
        "links": {link["ifname"]: _link(link) for link in state["links"]},
        "routes": {route: True for route in state["routes"] if not _is_kernels(json.loads(route))},
        "rules": {json.dumps(rule, sort_keys=True): True for rule in state["rules"]},
        "files": _files(state["files"]),
    }


def steady_sight(node: Node, *, timeout: float = 30) -> Json:
    """The sight once two looks in a row see the same, and no address is tentative any more."""
    seen: list[Json] = []

    def same_twice() -> bool:
        seen.append(sight(node))
        return len(seen) > 1 and seen[-1] == seen[-2] and "tentative" not in json.dumps(seen[-1])

    eventually(f"{node.name} is steady", same_twice, timeout=timeout, every=0.5)
    return seen[-1]


def differences(want: Any, have: Any, path: str = "") -> Iterator[str]:
    """Where two sights differ, and how."""
    if isinstance(want, dict) and isinstance(have, dict):
        for key in sorted({*want, *have}):
            yield from differences(want.get(key), have.get(key), f"{path}/{key}")
    elif want != have:
        yield f"{path}: {want!r} alone, {have!r} here"


def _link(link: Json) -> Json:
    info = dict(link.get("linkinfo", {}))
    kind = info.get("info_kind", "")
    if "info_slave_data" in info:
        by_chance = _OF_A_PORT.get(info.get("info_slave_kind", ""), ())
        info["info_slave_data"] = {k: v for k, v in info["info_slave_data"].items() if k not in by_chance}
    if info.get("info_slave_kind") == "bond":
        link = {k: v for k, v in link.items() if k not in _OF_A_BONDS_PORT}
    data = info.get("info_data", {})
    if kind == "bond" and data.get("mode") != "802.3ad":
        info["info_data"] = {k: v for k, v in data.items() if not k.startswith(_OF_LACP)}
    if info:
        link = {**link, "linkinfo": info}
    left_out = _BY_CHANCE.get(kind, set()) | (_OF_THE_KERNEL if kind == "bridge" else set())
    return {k: _still(v) for k, v in link.items() if k not in left_out}


def _is_kernels(route: Json) -> bool:
    """What the kernel adds to the table `local`: it follows from the addresses, or from what was up before."""
    return bool(route.get("table") == "local" and route.get("protocol") == "kernel")


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _still(v) for k, v in value.items() if k not in _WALKING and not _NEGOTIATED.match(k)}
    if isinstance(value, list):
        return [_still(v) for v in value]
    return value


def _files(text: str) -> Json:
    """Host name and resolv.conf, and each profile by its name: lines, with ids in the place of UUIDs."""
    head, *profiles = re.split(r"^== .*/(.*)\n", text, flags=re.MULTILINE)
    files = dict(zip(profiles[::2], profiles[1::2], strict=True))
    ids = {found[1]: name for name, body in files.items() if (found := re.search(r"^uuid=(\S+)$", body, re.MULTILINE))}
    named = {
        name: sorted(_UUID.sub(lambda found: ids.get(found[0], found[0]), body).splitlines())
        for name, body in files.items()
    }
    return {"names": head.splitlines(), **named}
