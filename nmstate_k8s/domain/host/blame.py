"""Where in a desired state the mistake is that libnmstate names without saying where.

libnmstate says ``invalid digit found in string``, of a state of two hundred lines. The part whose removal makes
the rest readable is the part that is wrong; inside it, the same again. That gives the path of the smallest
part to blame, for every kind of mistake, and costs some dozens of readings of a small JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.host.errors import DesiredStateError
from nmstate_k8s.domain.host.protocol import Host

__all__ = ["Path", "find_culprit", "path_text", "value_at"]

Path = tuple[str | int, ...]

MAX_READINGS = 3_000
_IDENTITY = ("name", "state", "type")


async def find_culprit(host: Host, desired: Any, captured: bytes = b"{}") -> Path:
    """The path of the smallest part without which libnmstate can read the state; empty if there is no such part."""
    budget = iter(range(MAX_READINGS))

    async def readable(candidate: Any, taken_out: str | int) -> bool:
        if next(budget, None) is None:
            return False
        try:
            await host.parse(msgspec.json.encode(candidate), captured)
        except DesiredStateError as error:
            # Only that it is missing: all else was read, so what was taken out is wrong, or something in it.
            return f"missing field `{taken_out}`" in error.message
        return True

    path: Path = ()
    part: Any = desired
    rest: Callable[[Any], Any] = _alone
    while True:
        found = None
        for step in _parts(part):
            if await readable(rest(_without(part, step)), step):
                found = step
                break
        if found is None:
            return path
        path = (*path, found)
        part, rest = part[found], _within(rest, part, found)


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


def _parts(value: Any) -> Iterator[str | int]:
    """What could be taken out. Last what says what a thing is: without its type anything is readable."""
    if isinstance(value, Mapping):
        yield from sorted(value, key=lambda key: key in _IDENTITY)
    elif isinstance(value, list):
        yield from range(len(value))


def _without(value: Any, step: str | int) -> Any:
    if isinstance(value, Mapping):
        return {key: inner for key, inner in value.items() if key != step}
    return [inner for index, inner in enumerate(value) if index != step]


def _alone(inner: Any) -> Any:
    return inner


def _within(rest: Callable[[Any], Any], part: Any, step: str | int) -> Callable[[Any], Any]:
    """How the whole looks with something else in the place of `part[step]`."""

    def whole(inner: Any) -> Any:
        if isinstance(step, str):
            return rest({**part, step: inner})
        return rest([*part[:step], inner, *part[step + 1 :]])

    return whole
