"""How many nodes may have begun by a policy's steps and its users' words: a second reading of docs/rollout.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["most_begun", "seconds"]

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def most_begun(
    spec: Mapping[str, Any], promoted: set[str], generation: int, nodes: int, available: Sequence[float], at: float
) -> int:
    """With so many nodes, those that are Available since such times, and the promotions that were ever said."""
    rollout = spec.get("rollout") or {}
    for number, step in enumerate(rollout.get("steps") or (), 1):
        share = step["nodes"] if "nodes" in step else (step["percent"] * nodes + 99) // 100
        wanted = min(share, nodes)
        if len(available) < wanted:
            return int(wanted)
        if wanted == 0 or _promoted(promoted, generation, number):
            continue
        pause = step.get("pause")
        if pause is not None and "duration" not in pause:
            return int(wanted)
        waits = rollout.get("soakSeconds", 0) + (seconds(pause["duration"]) if pause else 0)
        if at < sorted(available)[wanted - 1] + waits:
            return int(wanted)
    return nodes


def _promoted(said: set[str], generation: int, step: int) -> bool:
    for each in said:
        of, _, up_to = each.partition("/")
        if of == str(generation) and (not up_to or int(up_to) >= step):
            return True
    return False


def seconds(duration: str) -> float:
    """Of one unit only, as the simulation writes them."""
    return float(duration[:-1]) * UNITS[duration[-1]]
