"""All of a node that a policy can change, comparable: what NetworkManager's checkpoint holds, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from e2e.kit import Node

__all__ = ["Picture", "differences", "take"]

Picture = Mapping[str, Any]

# Host name, global DNS, scripts and pinned names; what a profile's file says differs from what it means, so
# comments, blank lines and sections without a line are left out.
_OUTSIDE = """
for f in /etc/hostname /var/lib/NetworkManager/NetworkManager-intern.conf \
        /etc/NetworkManager/dispatcher.d/nmstate-* /etc/systemd/network/*; do
    if [ -f "$f" ]; then
        echo "== $f"
        grep -v -e '^#' -e '^$' -e '^\\[' "$f" | sort
    fi
done
if [ -S /run/openvswitch/db.sock ]; then
    for br in $(ovs-vsctl list-br); do echo "== bridge $br"; ovs-vsctl list-ports "$br"; done
    ovs-vsctl get Open_vSwitch . external_ids other_config
fi
"""


def take(node: Node) -> Picture:
    """The node's picture."""
    outside = node.sh(_OUTSIDE).splitlines()
    empty_too = zip(outside, [*outside[1:], "=="], strict=True)
    kept = [line for line, following in empty_too if not (line.startswith("==") and following.startswith("=="))]
    state = node.state()
    return {**state, "files": _named(state["files"]), "outside": kept}


def _named(files: str) -> str:
    """The profiles with their ids in place of their UUIDs, which are others each time that a profile is made."""
    known = {}
    for profile in files.split("\n== "):
        keys = dict(line.split("=", 1) for line in profile.splitlines() if "=" in line)
        if "uuid" in keys:
            known[keys["uuid"]] = f"<uuid of {keys.get('id')}>"
    for uuid, name in known.items():
        files = files.replace(uuid, name)
    return files


def differences(one: Picture, other: Picture) -> str:
    """What differs, a line each, for people; empty where nothing does."""
    if one == other:
        return ""
    before, now = set(_lines(one)), set(_lines(other))
    return "\n".join([f"- {line}" for line in sorted(before - now)] + [f"+ {line}" for line in sorted(now - before)])


def _lines(value: Any, path: str = "") -> Iterator[str]:
    """Each leaf with the path to it; entries of lists by their names where they have one."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _lines(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            name = inner.get("ifname", inner.get("local", number)) if isinstance(inner, Mapping) else ""
            yield from _lines(inner, f"{path}[{name}]")
    elif isinstance(value, str):
        for line in value.splitlines():
            yield f"{path}: {line}"
    else:
        yield f"{path}: {json.dumps(value)}"
