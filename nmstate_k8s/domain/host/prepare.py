"""From what a policy says to what is applied on this node: defaults, captures, difference.

- Captures are resolved against the state given; those resolved earlier for the same generation are used again.
- A state without references to captures stays the user's own text, plus the defaults.
- Whatever cannot be meant raises `DesiredStateError` with the path in the policy; what this node cannot do
  raises `HostError`. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from nmstate_k8s.domain.host.blame import find_culprit
from nmstate_k8s.domain.host.defaults import with_defaults
from nmstate_k8s.domain.host.errors import DesiredStateError, HostError
from nmstate_k8s.domain.host.explain import explain_mistake, known_keys, misspelt_types
from nmstate_k8s.domain.host.protocol import Host

__all__ = ["MAX_STATE_BYTES", "Prepared", "prepare"]

MAX_STATE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """What there is to do on this node."""

    desired: bytes
    """Defaults filled in, captures resolved: what is applied, and what the enactment shows."""
    captured: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    change: bool = True
    """Whether anything differs from the state before."""


async def prepare(
    host: Host, desired: Any, capture: Mapping[str, str], captured: Mapping[str, Any], before: bytes
) -> Prepared:
    """What `desired` means on a node that looks like `before`.

    :raises DesiredStateError: it cannot be meant.
    :raises HostError: it cannot be brought about on this node.
    """
    if not desired:
        return Prepared(desired=b"{}", change=False)
    _refuse_other_than_object(desired)
    states = await _captured(host, capture, captured, before)
    filled = await _filled(host, with_defaults(desired), states, before)
    if explanation := misspelt_types(msgspec.json.decode(filled)):
        raise DesiredStateError("InvalidArgument", explanation.cause, interface=explanation.interface)
    await host.validate(filled, before)
    difference = msgspec.json.decode(await host.diff(filled, before))
    return Prepared(
        desired=filled,
        captured=states,
        features=await _features(host, filled, before),
        change=any(difference.values()),
    )


def _refuse_other_than_object(desired: Any) -> None:
    if not isinstance(desired, Mapping):
        raise DesiredStateError("InvalidArgument", f"desiredState is a {type(desired).__name__}, not a mapping")
    size = len(msgspec.json.encode(desired))
    if size > MAX_STATE_BYTES:
        raise DesiredStateError(
            "TooLarge", f"desiredState has {size // 1024} KiB, more than the {MAX_STATE_BYTES // 1024} KiB allowed"
        )


async def _captured(
    host: Host, capture: Mapping[str, str], captured: Mapping[str, Any], before: bytes
) -> Mapping[str, Any]:
    if not capture:
        return {}
    if set(captured) == set(capture):
        return captured
    found: dict[str, Any] = msgspec.json.decode(await host.captures(msgspec.json.encode(capture), before))
    return found


async def _filled(host: Host, desired: Any, captured: Mapping[str, Any], before: bytes) -> bytes:
    text, states = msgspec.json.encode(desired), msgspec.json.encode(captured)
    try:
        filled = await host.parse(text, states)
    except DesiredStateError as error:
        if error.kind == "PolicyError":
            raise
        path = await find_culprit(host, desired, states)
        explanation = explain_mistake(error.message, desired, path, known_keys(before))
        raise DesiredStateError(error.kind, explanation.cause, error.log, explanation.interface) from error
    return filled if b"{{" in text else text


async def _features(host: Host, desired: bytes, before: bytes) -> tuple[str, ...]:
    """libnmstate's statistic. It is for counting only: that it fails is no reason to fail."""
    try:
        return tuple(msgspec.json.decode(await host.statistic(desired, before)).get("features", ()))
    except HostError:
        return ()
