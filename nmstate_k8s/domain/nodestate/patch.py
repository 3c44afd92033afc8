"""The smallest JSON patch (RFC 6902) from one state to the next.

- Applied to the old state it gives the new one, always.
- Mappings are compared by key, lists of the same length by position; other lists are replaced as a whole.
- Where a part's patch would be longer than the part, the part is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Operation", "operations"]

Operation = dict[str, Any]


def operations(old: Any, new: Any, path: str = "") -> list[Operation]:
    """What to do at `path` (a JSON pointer), where `old` stands, so that `new` stands there. Equal: nothing."""
    inner = _inner(old, new, path)
    if inner == [] or (inner is None and type(old) is type(new) and old == new and not isinstance(new, list)):
        return []
    whole = [{"op": "replace", "path": path, "value": new}]
    if inner is None or len(msgspec.json.encode(inner)) >= len(msgspec.json.encode(whole)):
        return whole
    return inner


def _inner(old: Any, new: Any, path: str) -> list[Operation] | None:
    """Part by part; None where that is not possible. Whole values are never compared: in Python, True equals 1."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[Operation] = [{"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in old if key not in new]
        for key, value in new.items():
            where = f"{path}/{_escaped(key)}"
            if key in old:
                found += operations(old[key], value, where)
            else:
                found.append({"op": "add", "path": where, "value": value})
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            operation
            for index, (before, after) in enumerate(zip(old, new, strict=True))
            for operation in operations(before, after, f"{path}/{index}")
        ]
    return None


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
