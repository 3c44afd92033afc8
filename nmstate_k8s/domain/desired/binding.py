"""Calls of libnmstate: its errors in the domain's own words, its log lines in our log.

- It is imported with the first call: whoever only imports this module needs no NetworkManager and no 15 MB.
- libnmstate wants one caller at a time, and what waits for it waits: the callers see to both.
- `Computing` is what only computes. It looks at no host, and works in the thread that calls.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import structlog

from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError, HostUnavailable

__all__ = ["Computing", "Work", "carry_out"]

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

Work = Callable[[ModuleType, list[Any]], _T]
"""What to do with the module `libnmstate.raw` and the list that gets its log lines."""

_LEVELS = {40: "error", 30: "warning", 20: "info"}
MAX_LINE = 1_000
_CHATTY = "nispor::"
"""Says with every look at the kernel, for every interface, what it does not understand (no Wi-Fi in a data centre)."""


class Computing:
    """libnmstate without a host, for one caller. Its calls never suspend."""

    async def parse(self, desired: bytes) -> None:
        # No captures of a state: it is read, and nothing else.
        await self.captures(b"{}", desired)

    async def captures(self, expressions: bytes, current: bytes) -> bytes:
        try:
            found: bytes = carry_out("captures", lambda raw, log: raw.captures(expressions, current, log=log))
        except HostError as error:
            raise DesiredStateError(error.kind, error.message, error.log) from error
        return found

    async def validate(self, desired: bytes, current: bytes) -> None:
        carry_out("validate", lambda raw, log: raw.validate(desired, current, log=log))


def carry_out(name: str, work: Work[_T], *, quiet: bool = True) -> _T:
    """One call. `quiet`: what libnmstate says is for debugging.

    :raises HostUnavailable: if NetworkManager or the bus does not answer.
    :raises HostError: for all else that libnmstate raises.
    """
    from libnmstate import errors, raw

    lines: list[Any] = []
    try:
        return work(raw, lines)
    except errors.DBusError as error:
        raise HostUnavailable("NetworkManagerUnavailable", error.message) from error
    except errors.NmstateError as error:
        told = [
            f"{_LEVELS.get(line.level, 'debug')} {line.target}: {line.message}"
            for line in error.log
            if not line.target.startswith(_CHATTY)
        ]
        raise HostError(error.kind, _one_text(error), told) from error
    finally:
        for line in lines:
            level = "debug" if quiet or line.target.startswith(_CHATTY) else _LEVELS.get(line.level, "debug")
            getattr(_log, level)("libnmstate", call=name, target=line.target, line=_cut(line.message))


def _cut(text: str) -> str:
    """A verification error lists all VLANs of a trunk, twice."""
    return text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]}…"


def _one_text(error: Any) -> str:
    """Where in an expression it is wrong, is said in words: a caret under a line is lost in a condition."""
    line = getattr(error, "line", "")
    return f"{error.message} in `{line}` at character {error.position + 1}" if line else str(error.message)
