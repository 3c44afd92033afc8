"""Where in a desired state the mistake is that libnmstate names without saying where.

libnmstate says ``invalid digit found in string``, of a state of two hundred lines. So it is asked again, of less:

- Of a list, the first entry that is refused by itself is to blame; halving finds it among thousands.
- Of a mapping, that part is to blame without which the rest is taken. Parts depend on each other here (what is
  allowed depends on the type), so that none of them can be asked about by itself. Where several are wrong, it is the
  first that is refused beside name, state and type alone.

Inside what was found, the same again. That gives the path of the smallest part to blame, for every kind of
mistake, and costs some dozens of questions, most of them about one entry; after `MAX_QUESTIONS` what is known by
then is the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.desired.libnmstate import Libnmstate
from nmstate_k8s.domain.desired.paths import Path

__all__ = ["find_culprit", "find_refused"]

MAX_QUESTIONS = 100

Whole = Callable[[Any], Any]
"""The state with something else in the place of the part that is looked into."""
Complaint = Callable[[Any], Awaitable[str]]
"""What libnmstate says against a state; nothing if it takes it."""

_IDENTITY = ("name", "state", "type")
"""Taken out last: without its type nearly anything can be read."""
_UNREADABLE = "unreadable"


async def find_culprit(libnmstate: Libnmstate, desired: Any) -> tuple[Path, str]:
    """The path of the smallest part that libnmstate cannot read, and what it says of it.

    The path is empty if it is only the state as a whole.
    """

    async def unreadable(state: Any) -> str:
        try:
            await libnmstate.parse(msgspec.json.encode(state))
        except DesiredStateError as error:
            return error.message or error.kind
        return ""

    return await _Search(unreadable).place(desired)


async def find_refused(libnmstate: Libnmstate, desired: Any, before: bytes, message: str) -> Path:
    """The path of the smallest part that libnmstate refuses with this message on a node that looks like `before`."""

    async def refused(state: Any) -> str:
        try:
            await libnmstate.validate(msgspec.json.encode(state), before)
        except DesiredStateError:
            return _UNREADABLE
        except HostError as error:
            return error.message or error.kind
        return ""

    return (await _Search(refused, message).place(desired))[0]


class _Search:
    """`message`: the very complaint that is looked for; empty: any."""

    def __init__(self, complaint: Complaint, message: str = "") -> None:
        self._complaint = complaint
        self._message = message
        self._questions = 0

    async def place(self, desired: Any) -> tuple[Path, str]:
        """Where, and what is said against that part alone."""
        path: Path = ()
        part: Any = desired
        whole: Whole = _itself
        while True:
            step: str | int | None = None
            beside: Mapping[str, Any] = {}
            if isinstance(part, Mapping):
                step, beside = await self._key(part, whole)
            elif isinstance(part, list):
                step = await self._entry(part, whole)
            if step is None:
                return path, await self._complaint(whole(part))
            path, whole, part = (*path, step), _around(whole, beside, step), part[step]

    async def _key(self, part: Mapping[str, Any], whole: Whole) -> tuple[str | None, Mapping[str, Any]]:
        """The key without which the mapping is taken, and what it is to be looked at beside."""
        why = await self._asked(whole(part))
        for key in part:
            if key not in _IDENTITY and await self._taken_without(part, key, whole, why):
                return key, part
        if not self._message and (found := await self._one_of_several(part, whole)):
            return found
        for key in _IDENTITY:
            if key in part and await self._taken_without(part, key, whole, why):
                return key, part
        return None, part

    async def _taken_without(self, part: Mapping[str, Any], key: str, whole: Whole, why: str) -> bool:
        answer = await self._asked(whole({name: value for name, value in part.items() if name != key}))
        # Only that it is missing now: all else was read, so what was taken out is wrong, or something in it.
        only_missing = f"missing field `{key}`" in answer and "missing field" not in why
        return not answer or (only_missing and not self._message)

    async def _one_of_several(self, part: Mapping[str, Any], whole: Whole) -> tuple[str, Mapping[str, Any]] | None:
        """The first key that is refused beside as much as is taken, and what that is."""
        identity = {name: part[name] for name in _IDENTITY if name in part}
        for base in (identity, {"name": "x", **identity}, {}, {"name": "x"}):
            if await self._asked(whole(base)):
                continue
            for key in part:
                if base.get(key) != part[key] and await self._asked(whole({**base, key: part[key]})):
                    return (key, base) if self._questions <= MAX_QUESTIONS else None
        return None

    async def _entry(self, part: list[Any], whole: Whole) -> int | None:
        """The first entry that is refused by itself."""
        first, last = 0, len(part)
        while last - first > 1:
            middle = (first + last) // 2
            if self._meant(await self._asked(whole(part[first:middle]))):
                last = middle
            else:
                first = middle
        found = first < last and self._meant(await self._asked(whole([part[first]])))
        return first if found and self._questions <= MAX_QUESTIONS else None

    def _meant(self, answer: str) -> bool:
        return bool(answer) and (not self._message or answer == self._message)

    async def _asked(self, state: Any) -> str:
        self._questions += 1
        return await self._complaint(state) if self._questions <= MAX_QUESTIONS else _UNREADABLE


def _itself(inner: Any) -> Any:
    return inner


def _around(whole: Whole, beside: Mapping[str, Any], step: str | int) -> Whole:
    """The whole with something else at a step into its part, and `beside` it; of a list nothing else is kept."""
    if isinstance(step, int):
        return lambda inner: whole([inner])
    return lambda inner: whole({**beside, step: inner})
