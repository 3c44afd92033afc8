"""From what a policy says to what is applied on this node: captures, references, defaults, difference.

- Captures are resolved against the state given; those resolved earlier for the same generation are used again.
- What is applied is the user's own text, with the defaults and with what its references stand for.
- Whatever is wrong is a `Fault` in the answer, told with the place in the policy, beside what was found until then:
  a person sees what the captures found. Nothing here changes anything.
- A refusal that every node would give is lasting; one that this node may cease to give is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import structlog

from nmstate_k8s.domain.desired.blame import find_refused
from nmstate_k8s.domain.desired.captures import resolved
from nmstate_k8s.domain.desired.checks import Before, refuse_early, without_kept_secrets
from nmstate_k8s.domain.desired.defaults import with_defaults
from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.desired.explain import names_its_place
from nmstate_k8s.domain.desired.explain_mistakes import explain_place
from nmstate_k8s.domain.desired.impossible import impossible_everywhere
from nmstate_k8s.domain.desired.limits import refuse_large_captures, refuse_other_than_object, refuse_too_large
from nmstate_k8s.domain.desired.readable import refuse_unreadable
from nmstate_k8s.domain.desired.references import filled, has_references
from nmstate_k8s.domain.desired.secrets import masked
from nmstate_k8s.domain.desired.unenabled import not_enabled, skipped_on
from nmstate_k8s.domain.host.difference import differs
from nmstate_k8s.domain.host.fault import Fault, fault_of
from nmstate_k8s.domain.host.protocol import Host

__all__ = ["Prepared", "prepare"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What there is to do on this node."""

    desired: bytes
    """Defaults filled in, captures resolved: what is applied, and what the enactment shows."""
    captured: Mapping[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    change: bool = True
    """Whether anything differs from the state before."""
    skipped: tuple[str, ...] = ()
    """What of it libnmstate skips on this node without a word."""
    fault: Fault | None = None
    """Why it cannot be done, on any node (then it is lasting) or on this one."""


async def prepare(
    host: Host,
    desired: Any,
    capture: Mapping[str, str],
    captured: Mapping[str, Any],
    before: bytes,
    *,
    allow_dispatch: bool = False,
) -> Prepared:
    """What `desired` means on a node that looks like `before`."""
    if not desired:
        return Prepared(desired=b"{}", change=False)
    try:
        refuse_other_than_object(desired)
        refuse_large_captures(capture)
        states = captured if set(captured) == set(capture) else await resolved(host, capture, before)
    except DesiredStateError as error:
        return _refused(Prepared(b""), "prepare", error, desired, before)
    prepared = Prepared(b"", captured=states)
    try:
        state = with_defaults(filled(desired, states) if has_references(desired) else desired)
        prepared = replace(prepared, desired=msgspec.json.encode(state))
        refuse_too_large(prepared.desired)
        await refuse_unreadable(host, state, before)
        known = Before(before)
        refuse_early(state, known, allow_dispatch=allow_dispatch)
        state = without_kept_secrets(state, known)
        prepared = replace(prepared, desired=msgspec.json.encode(state), skipped=tuple(_skipped(state, known)))
    except DesiredStateError as error:
        return _refused(prepared, "prepare", error, desired, before)
    except HostError as error:
        return _refused(prepared, "validate", error, desired, before)
    return await _compared(host, prepared, state, before)


def _skipped(state: Any, known: Before) -> Iterator[str]:
    """The node's state is read only where there may be something."""
    return skipped_on(state, known.interfaces) if any(not_enabled(state)) else iter(())


async def _compared(host: Host, prepared: Prepared, state: Any, before: bytes) -> Prepared:
    """With what libnmstate says of it on this node: a refusal, or the difference."""
    try:
        await host.validate(prepared.desired, before)
        difference = msgspec.json.decode(await host.diff(prepared.desired, before))
    except HostError as error:
        return replace(prepared, fault=await _refusal(host, state, before, error))
    features = await _features(host, prepared.desired, before)
    return replace(prepared, features=features, change=differs(difference, before))


def _refused(prepared: Prepared, stage: str, error: HostError, desired: Any, before: bytes) -> Prepared:
    return replace(prepared, fault=fault_of(stage, error, desired, before))


async def _refusal(host: Host, state: Any, before: bytes, error: HostError) -> Fault:
    """The fault, with its place in the policy: libnmstate does not always name it."""
    fault = fault_of("validate", error, state, before)
    fault = replace(fault, lasting=fault.lasting or await impossible_everywhere(host, state))
    if names_its_place(error.message):
        return fault
    try:
        path = await find_refused(host, state, before, error.message)
    except HostError as another:  # it is for people only: not to find it is no failure of its own
        _log.info("the place of a refusal was not found", error=str(another))
        return fault
    told = explain_place(error.message, masked(state), path)
    return replace(fault, cause=told.cause, interface=told.interface or fault.interface)


async def _features(host: Host, desired: bytes, before: bytes) -> tuple[str, ...]:
    """libnmstate's statistic. It is for counting only: that it fails is no reason to fail."""
    try:
        return tuple(msgspec.json.decode(await host.statistic(desired, before)).get("features", ()))
    except HostError as error:
        _log.info("the features were not counted", error=str(error))
        return ()
