"""What is too much, or no state at all: told before libnmstate, or anything else, reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.paths import DESIRED

__all__ = [
    "MAX_CAPTURE_BYTES",
    "MAX_DEPTH",
    "MAX_KEYS",
    "MAX_STATE_BYTES",
    "refuse_deep_or_wide",
    "refuse_large_captures",
    "refuse_other_than_object",
    "refuse_too_large",
]

MAX_STATE_BYTES = 256 * 1024
"""As JSON: each enactment brings it twice, beside the state before, and etcd takes 1.5 MiB."""
MAX_CAPTURE_BYTES = 256 * 1024
"""Of all names and expressions together."""
MAX_DEPTH = 100
"""Levels of mappings and lists. libnmstate's reader gives up at 128; a state has a dozen."""
MAX_KEYS = 1_000
"""Of one mapping. libnmstate has some dozens for each; it takes seconds to refuse thousands."""
_NOT_A_MAPPING: Mapping[type, str] = {list: "a list", str: "text", bool: "a truth value", int: "a number"}


def refuse_other_than_object(desired: Any) -> None:
    """Raise for what is no mapping, or a large one."""
    if not isinstance(desired, Mapping):
        what = _NOT_A_MAPPING.get(type(desired), type(desired).__name__)
        hint = " (an indented block is missing, or it was quoted)" if isinstance(desired, str) else ""
        raise DesiredStateError("InvalidArgument", f"desiredState is {what}, not a mapping{hint}", path=(DESIRED,))
    refuse_deep_or_wide(desired)
    refuse_too_large(msgspec.json.encode(desired))


def refuse_too_large(state: bytes) -> None:
    if len(state) > MAX_STATE_BYTES:
        size, most = len(state) // 1024, MAX_STATE_BYTES // 1024
        cause = f"desiredState has {size} KiB, more than the {most} KiB allowed"
        raise DesiredStateError("TooLarge", cause, path=(DESIRED,))


def refuse_deep_or_wide(desired: Any) -> None:
    """Level by level, without recursion: what is too deep for a reader is too deep for us."""
    level = [desired]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                _refuse_wide(value)
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        level = inner
        if not level:
            return
    cause = f"desiredState has more than {MAX_DEPTH} levels of mappings and lists"
    raise DesiredStateError("TooLarge", cause, path=(DESIRED,))


def _refuse_wide(mapping: Mapping[str, Any]) -> None:
    if len(mapping) > MAX_KEYS:
        cause = f"desiredState has a mapping of {len(mapping)} keys, more than the {MAX_KEYS} allowed"
        raise DesiredStateError("TooLarge", cause, path=(DESIRED,))


def refuse_large_captures(capture: Mapping[str, str]) -> None:
    size = sum(len(name.encode()) + len(expression.encode()) for name, expression in capture.items())
    if size > MAX_CAPTURE_BYTES:
        cause = f"capture has {size // 1024} KiB, more than the {MAX_CAPTURE_BYTES // 1024} KiB allowed"
        raise DesiredStateError("TooLarge", cause, path=("capture",))
