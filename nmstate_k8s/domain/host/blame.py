"""Where in a desired state the mistake is that libnmstate names without saying where.

libnmstate says ``invalid digit found in string``, of a state of two hundred lines. So it is asked again, of less:

- Of a list, the first entry that cannot be read by itself is to blame; halving finds it among thousands.
- Of a mapping, that part is to blame without which the rest can be read. Parts depend on each other here (what
  is allowed depends on the type), so that none of them can be asked about by itself.

Inside what was found, the same again. That gives the path of the smallest part to blame, for every kind of
mistake, and costs some dozens of readings, most of them of one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.host.errors import DesiredStateError
from nmstate_k8s.domain.host.protocol import Host

__all__ = ["Path", "find_culprit", "path_text", "value_at"]

Path = tuple[str | int, ...]
Whole = Callable[[Any], Any]
"""The state with something else in the place of the part that is looked into."""

_IDENTITY = ("name", "state", "type")
"""Taken out last: without its type nearly anything is readable."""


async def find_culprit(host: Host, desired: Any, captured: bytes = b"{}") -> Path:
    """The path of the smallest part that libnmstate cannot read; empty if it is only the state as a whole."""
    search = _Search(host, captured)
    path: Path = ()
    part: Any = desired
    whole: Whole = _itself
    while True:
        step: str | int | None = None
        if isinstance(part, Mapping):
            step = await search.key(part, whole)
        elif isinstance(part, list):
            step = await search.entry(part, whole)
        if step is None:
            return path
        path, whole, part = (*path, step), _around(whole, part, step), part[step]


class _Search:
    def __init__(self, host: Host, captured: bytes) -> None:
        self._host = host
        self._captured = captured

    async def key(self, part: Mapping[str, Any], whole: Whole) -> str | None:
        """The key without which the mapping can be read."""
        for key in sorted(part, key=lambda name: name in _IDENTITY):
            rest = {name: value for name, value in part.items() if name != key}
            why = await self._unreadable(whole(rest))
            # Only that it is missing: all else was read, so what was taken out is wrong, or something in it.
            if not why or f"missing field `{key}`" in why:
                return key
        return None

    async def entry(self, part: list[Any], whole: Whole) -> int | None:
        """The first entry that cannot be read by itself."""
        first, last = 0, len(part)
        while last - first > 1:
            middle = (first + last) // 2
            if await self._unreadable(whole(part[first:middle])):
                last = middle
            else:
                first = middle
        return first if first < last and await self._unreadable(whole([part[first]])) else None

    async def _unreadable(self, candidate: Any) -> str:
        """What libnmstate says against it; nothing if it can be read."""
        try:
            await self._host.parse(msgspec.json.encode(candidate), self._captured)
        except DesiredStateError as error:
            return error.message or error.kind
        return ""


def value_at(data: Any, path: Path) -> Any:
    """What stands at a path."""
    for step in path:
        data = data[step]
    return data


def path_text(data: Any, path: Path) -> str:
    """A path as people say it: ``interfaces[br1].bridge.port[eth1].vlan``; a list entry by its name, if it has one."""
    text = ""
    for step in path:
        inner = data[step]
        if isinstance(step, int):
            name = inner.get("name") if isinstance(inner, Mapping) else None
            text += f"[{name if isinstance(name, str) and name else step}]"
        else:
            text += f".{step}" if text else step
        data = inner
    return text


def _itself(inner: Any) -> Any:
    return inner


def _around(whole: Whole, part: Any, step: str | int) -> Whole:
    """The whole with something else in the place of ``part[step]``; of a list nothing else is kept."""
    if isinstance(step, int):
        return lambda inner: whole([inner])
    return lambda inner: whole({**part, step: inner})
