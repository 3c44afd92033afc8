"""Which nodes a policy selects."""

from __future__ import annotations

__all__ = ["matches"]

from collections.abc import Mapping


def matches(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    """Whether a node with these labels is selected: all must match, an empty selector selects every node."""
    return all(labels.get(name) == value for name, value in selector.items())
