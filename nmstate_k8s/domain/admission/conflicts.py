"""Policies that can match the same node and set the same thing differently: the node would do now this, now that. Pure.

A warning and no refusal: it is what happens while a setting moves from one policy to another.
"""

from __future__ import annotations

__all__ = ["Other", "conflicts"]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nmstate_k8s.domain.admission.known import KnownNode
from nmstate_k8s.domain.admission.settings import Setting, settings
from nmstate_k8s.domain.policy.selection import matches

MAX_SHOWN = 2
"""Settings that are shown of each other policy."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another policy."""

    name: str
    selector: Mapping[str, str]
    desired: Any


def conflicts(
    desired: Any, selector: Mapping[str, str], others: Sequence[Other], nodes: Sequence[KnownNode]
) -> Iterator[str]:
    """One sentence for each other policy that says otherwise."""
    mine = settings(desired) if others else {}
    for other in others:
        theirs = settings(other.desired, beside=mine)
        differing = [path for path, setting in mine.items() if path in theirs and theirs[path].same != setting.same]
        where = _meeting(selector, other.selector, nodes) if differing else None
        if where is not None:
            told = "; ".join(_told(path, mine[path], theirs[path]) for path in differing[:MAX_SHOWN])
            more = f"; {len(differing) - MAX_SHOWN} more settings" if len(differing) > MAX_SHOWN else ""
            yield f'policy "{other.name}" says otherwise{where}: {told}{more}'


def _told(path: str, mine: Setting, theirs: Setting) -> str:
    if mine.shown and theirs.shown and mine.shown != theirs.shown:
        return f"{path} {theirs.shown}, here {mine.shown}"
    return f"{path} is another one there"


def _meeting(one: Mapping[str, str], two: Mapping[str, str], nodes: Sequence[KnownNode]) -> str | None:
    """Where both policies apply, as words; None if they do not meet.

    They meet on the nodes that both select. A selector that selects no node yet may select any.
    """
    if any(two.get(label, value) != value for label, value in one.items()):
        return None
    first = [node for node in nodes if matches(node.labels, one)]
    both = [node.name for node in first if matches(node.labels, two)]
    if both:
        return f" for node {both[0]}" + (f" and {len(both) - 1} more" if len(both) > 1 else "")
    waiting = not first or not any(matches(node.labels, two) for node in nodes)
    return " for the nodes that both select" if waiting else None
