"""Whether an object is as it ought to be.

- What we ask for must be there with our values. What is *added to maps* is not seen here: it may be a default of the
  server's (what others added is told by ``foreign``).
- Lists are compared as wholes: one rule, container or variable more than we ask for is drift.
"""

from __future__ import annotations

__all__ = ["holds"]

from collections.abc import Mapping
from typing import Any


def holds(wanted: Any, found: Any) -> bool:
    """Whether ``found`` is what ``wanted`` asks for."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            holds(value, found.get(name)) if value not in _EMPTY else not found.get(name)
            for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(holds(one, other) for one, other in zip(wanted, found, strict=True))
        )
    return bool(wanted == found)


# What the server may leave out when it gives an object back.
_EMPTY: tuple[Any, ...] = ({}, [], "", None)
