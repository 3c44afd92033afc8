"""The smallest JSON patch (RFC 6902) from one state to the next.

- Applied to the old state it gives the new one, always.
- Mappings are compared by key. Lists are compared by position where they are equally long, and by what their
  entries are (name and type, else content) where that can be told and the order is the same: an interface that
  comes or goes is one operation. Other lists are replaced as a whole.
- Where a part's patch would be longer than the part, the part is replaced.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["Operation", "identity", "members", "moves", "operations"]

Operation = dict[str, Any]


def operations(old: Any, new: Any, path: str = "") -> list[Operation]:
    """What to do at `path` (a JSON pointer), where `old` stands, so that `new` stands there. Equal: nothing."""
    inner = _inner(old, new, path)
    if inner == [] or (inner is None and type(old) is type(new) and old == new and not isinstance(new, list)):
        return []
    whole = [{"op": "replace", "path": path, "value": new}]
    if inner is None or _length(inner) >= _length(whole):
        return whole
    return inner


def members(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> list[Operation]:
    """The same for two mappings, key by key in any case: what `path` has besides stays."""
    found: list[Operation] = [{"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in old if key not in new]
    for key, value in new.items():
        where = f"{path}/{_escaped(key)}"
        if key in old:
            found += operations(old[key], value, where)
        else:
            found.append({"op": "add", "path": where, "value": value})
    return found


def moves(old: Sequence[Hashable], new: Sequence[Hashable]) -> tuple[list[int], list[int]] | None:
    """From one list of identities to the next: the positions to remove, one after the other, then those to add at.

    None: they cannot be told apart, or those that stay change their order.
    """
    was, will = set(old), set(new)
    if len(was) != len(old) or len(will) != len(new):
        return None
    if [each for each in old if each in will] != [each for each in new if each in was]:
        return None
    removed = [position for position in range(len(old) - 1, -1, -1) if old[position] not in will]
    return removed, [position for position, each in enumerate(new) if each not in was]


def identity(entry: Any) -> Hashable:
    """What an entry of a list is: its name and type where it has a name, else its content."""
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        return entry["name"], str(entry.get("type"))
    return msgspec.json.encode(entry, order="sorted")


def _inner(old: Any, new: Any, path: str) -> list[Operation] | None:
    """Part by part; None where that is not possible. Whole values are never compared: in Python, True equals 1."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return members(old, new, path)
    if isinstance(old, list) and isinstance(new, list):
        return _lists(old, new, path)
    return None


def _lists(old: list[Any], new: list[Any], path: str) -> list[Operation] | None:
    was, will = [identity(entry) for entry in old], [identity(entry) for entry in new]
    if was == will:
        return _by_position(old, new, path)
    ways = [_by_identity(old, new, was, will, path)]
    if len(old) == len(new):
        ways.append(_by_position(old, new, path))
    return min((way for way in ways if way is not None), key=_length, default=None)


def _by_position(old: list[Any], new: list[Any], path: str) -> list[Operation]:
    return [
        operation
        for index, (before, after) in enumerate(zip(old, new, strict=True))
        for operation in operations(before, after, f"{path}/{index}")
    ]


def _by_identity(
    old: list[Any], new: list[Any], was: list[Hashable], will: list[Hashable], path: str
) -> list[Operation] | None:
    moved = moves(was, will)
    if moved is None:
        return None
    before = dict(zip(was, old, strict=True))
    found: list[Operation] = [{"op": "remove", "path": f"{path}/{position}"} for position in moved[0]]
    found += [{"op": "add", "path": f"{path}/{position}", "value": new[position]} for position in moved[1]]
    for position, entry in enumerate(new):
        if will[position] in before:
            found += operations(before[will[position]], entry, f"{path}/{position}")
    return found


def _length(found: list[Operation]) -> int:
    return len(msgspec.json.encode(found))


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
