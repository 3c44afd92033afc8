"""Places in a desired state, as people say them: ``interfaces[br1].bridge.port[eth1].vlan``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["DESIRED", "Path", "field_text", "interface_at", "path_text", "value_at"]

Path = tuple[str | int, ...]
DESIRED = "desiredState"
"""The step from a policy's spec into its desired state."""


def value_at(data: Any, path: Path) -> Any:
    """What stands at a path."""
    for step in path:
        data = data[step]
    return data


def path_text(data: Any, path: Path) -> str:
    """A path as people say it: a list entry by its name, if it has one of its own, else by its position."""
    text = ""
    for step in path:
        inner = data[step]
        if isinstance(step, int):
            text += f"[{_name(inner) or step}]"
        else:
            text += f".{step}" if text else step
        data = inner
    return text


def field_text(path: Path) -> str:
    """A path as the API server writes one: ``spec.desiredState.interfaces[0].mtu``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def interface_at(data: Any, path: Path) -> str:
    """The name of the interface that a path leads into; empty if there is none."""
    if len(path) >= 2 and path[0] == "interfaces" and isinstance(path[1], int):
        return _name(value_at(data, path[:2]))
    return ""


def _name(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return name if isinstance(name, str) and "{{" not in name else ""
