"""How many of a policy's nodes may be unavailable at once."""

from __future__ import annotations

__all__ = ["DEFAULT", "scaled"]

import re

DEFAULT = "50%"

_PERCENTAGE = re.compile(r"([0-9]{1,9})%")


def scaled(value: int | str | None, total: int) -> int:
    """``maxUnavailable`` for ``total`` nodes, at least 1.

    A percentage is rounded up. What is no number or percentage (or negative) means the default: a rollout is
    never stopped, and never let loose, by a slip of the pen.
    """
    nodes = _nodes(value, total)
    if nodes is None:
        nodes = _nodes(DEFAULT, total) or 0
    return max(1, nodes)


def _nodes(value: int | str | None, total: int) -> int | None:
    if isinstance(value, int):
        return value if value >= 0 else None
    match = _PERCENTAGE.fullmatch(value or "")
    return -(-int(match[1]) * total // 100) if match else None
