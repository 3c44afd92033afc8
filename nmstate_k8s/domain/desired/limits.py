"""What is too much, or no state at all: told before libnmstate, or anything else, reads it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.paths import DESIRED

__all__ = [
    "MAX_CAPTURES",
    "MAX_CAPTURE_BYTES",
    "MAX_DEPTH",
    "MAX_KEYS",
    "MAX_STATE_BYTES",
    "refuse_large_captures",
    "refuse_other_than_object",
    "refuse_too_large",
    "too_deep",
]

MAX_STATE_BYTES = 256 * 1024
"""As JSON: each enactment brings it twice, beside the state before, and etcd takes 1.5 MiB."""
MAX_CAPTURE_BYTES = 256 * 1024
"""Of all names and expressions together."""
MAX_CAPTURES = 256
"""Each may find the whole state, which has a megabyte on large nodes, before what was found can be counted."""
MAX_DEPTH = 100
"""Levels of mappings and lists. libnmstate's reader gives up at 128; a state has a dozen."""
MAX_KEYS = 1_000
"""Of one mapping. libnmstate has some dozens for each; it takes seconds to refuse thousands."""
_NOT_A_MAPPING: Mapping[type, str] = {list: "a list", str: "text", bool: "a truth value", int: "a number"}


def refuse_other_than_object(desired: Any) -> None:
    """Of a desired state as it was read.

    :raises DesiredStateError: for what is no mapping, or one that is too large, too deep or too wide.
    """
    if not isinstance(desired, Mapping):
        what = _NOT_A_MAPPING.get(type(desired), type(desired).__name__)
        hint = " (an indented block is missing, or it was quoted)" if isinstance(desired, str) else ""
        raise DesiredStateError("InvalidArgument", f"desiredState is {what}, not a mapping{hint}", path=(DESIRED,))
    _refuse_deep_or_wide(desired)
    refuse_too_large(msgspec.json.encode(desired))


def refuse_too_large(state: bytes) -> None:
    """Of a desired state as JSON.

    :raises DesiredStateError: where it has more bytes than `MAX_STATE_BYTES`.
    """
    if len(state) > MAX_STATE_BYTES:
        size, most = len(state) // 1024, MAX_STATE_BYTES // 1024
        cause = f"desiredState has {size} KiB, more than the {most} KiB allowed"
        raise DesiredStateError("TooLarge", cause, path=(DESIRED,))


def too_deep(state: Any) -> bool:
    """Whether it has more levels than `MAX_DEPTH`."""
    return sum(1 for _ in _levels(state)) > MAX_DEPTH


def _refuse_deep_or_wide(desired: Any) -> None:
    for number, level in enumerate(_levels(desired)):
        if number >= MAX_DEPTH:
            cause = f"desiredState has more than {MAX_DEPTH} levels of mappings and lists"
            raise DesiredStateError("TooLarge", cause, path=(DESIRED,))
        widest = max((len(value) for value in level if isinstance(value, Mapping)), default=0)
        if widest > MAX_KEYS:
            cause = f"desiredState has a mapping of {widest} keys, more than the {MAX_KEYS} allowed"
            raise DesiredStateError("TooLarge", cause, path=(DESIRED,))


def _levels(state: Any) -> Iterator[list[Any]]:
    """Level by level, without recursion: what is too deep for a reader is too deep for us. One more than are allowed,
    if there are.
    """
    level = [state]
    for _ in range(MAX_DEPTH + 1):
        yield level
        inner: list[Any] = []
        for value in level:
            if isinstance(value, Mapping | list):
                inner.extend(value.values() if isinstance(value, Mapping) else value)
        if not inner:
            return
        level = inner


def refuse_large_captures(capture: Mapping[str, str]) -> None:
    """Of expressions by name.

    :raises DesiredStateError: where there are more than `MAX_CAPTURES`, or more bytes of them than `MAX_CAPTURE_BYTES`.
    """
    if len(capture) > MAX_CAPTURES:
        cause = f"capture has {len(capture)} expressions, more than the {MAX_CAPTURES} allowed"
        raise DesiredStateError("TooLarge", cause, path=("capture",))
    size = sum(len(name.encode()) + len(expression.encode()) for name, expression in capture.items())
    if size > MAX_CAPTURE_BYTES:
        cause = f"capture has {size // 1024} KiB, more than the {MAX_CAPTURE_BYTES // 1024} KiB allowed"
        raise DesiredStateError("TooLarge", cause, path=("capture",))
