"""The status of an enactment, from what it was and how a transaction went. Pure.

Nothing in it is a secret: states are masked, and texts have the policy's secrets taken out before they are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_conditions
from nmstate_k8s.api.enactment import (
    CapturedState,
    EnactmentSpec,
    EnactmentStatus,
    Failure,
    MetaInfo,
    ProbeResult,
)
from nmstate_k8s.domain.desired.defaults import with_defaults
from nmstate_k8s.domain.desired.limits import MAX_STATE_BYTES, too_deep
from nmstate_k8s.domain.desired.secrets import masked
from nmstate_k8s.domain.host.outcome import Outcome, message
from nmstate_k8s.domain.host.retries import Retries

__all__ = ["progressing", "captured_before", "concluded"]

MAX_DETAILS = 8_000
"""Characters of libnmstate's own words on the enactment; the handler's log has all of them."""


def progressing(
    spec: EnactmentSpec, previous: EnactmentStatus, *, boot_id: str, transaction_id: str, now: datetime
) -> EnactmentStatus:
    """Before anything is changed. Of another generation nothing is kept."""
    same = previous.policy_generation == spec.policy_generation
    kept = previous if same else EnactmentStatus()
    return EnactmentStatus(
        conditions=enactment_conditions(EnactmentPhase.PROGRESSING, now=now, previous=kept.conditions),
        desired_state=_shown(spec.desired_state),
        desired_state_meta_info=_meta(spec.policy_generation, now),
        policy_generation=spec.policy_generation,
        captured_states=kept.captured_states,
        features=kept.features,
        retry_count=kept.retry_count,
        boot_id=boot_id,
        transaction_id=transaction_id,
    )


def captured_before(spec: EnactmentSpec, status: EnactmentStatus) -> Mapping[str, Any]:
    """What the captures found earlier for this very generation."""
    if status.policy_generation != spec.policy_generation:
        return {}
    return {name: captured.state for name, captured in status.captured_states.items()}


def concluded(
    status: EnactmentStatus,
    outcome: Outcome,
    *,
    node: str,
    retries: Retries,
    now: datetime,
    redact: Callable[[str], str] = str,
) -> tuple[EnactmentStatus, EnactmentPhase, float | None]:
    """After a transaction: the status, its phase, and seconds until the next attempt where there is one.

    `redact` takes secrets out of whatever libnmstate or a probe said.
    """
    outcome = _redacted(outcome, redact)
    phase, failed, delay = _verdict(status, outcome, retries)
    retry = _what_comes_next(phase, outcome, retries, failed)
    generation = str(status.policy_generation)
    prepared, fault = outcome.prepared, outcome.fault
    changes: dict[str, Any] = {
        "conditions": enactment_conditions(phase, message(node, outcome, retry), now=now, previous=status.conditions),
        "retry_count": {generation: failed} if failed else {},
        "failure": None
        if fault is None
        else Failure(
            stage=fault.stage,
            reason=fault.reason,
            interface=fault.interface,
            details=_details(outcome),
        ),
        "probes": tuple(
            ProbeResult(name=probe.name, result=probe.result, milliseconds=probe.milliseconds, message=probe.message)
            for probe in outcome.probes
        ),
        "timing": dict(outcome.timing),
    }
    if prepared is not None:
        changes["features"] = prepared.features
        if prepared.desired:
            changes["desired_state"] = masked(msgspec.json.decode(prepared.desired)) or None
        changes["captured_states"] = _captured(status, prepared.captured, now)
    return msgspec.structs.replace(status, **changes), phase, delay


def _verdict(status: EnactmentStatus, outcome: Outcome, retries: Retries) -> tuple[EnactmentPhase, int, float | None]:
    failed = status.retry_count.get(str(status.policy_generation), 0)
    if outcome.fault is None:
        return EnactmentPhase.AVAILABLE, failed, None
    failed += 1
    delay = None if outcome.fault.lasting else retries.again_after(failed)
    return (EnactmentPhase.FAILED if delay is None else EnactmentPhase.RETRYING), failed, delay


def _what_comes_next(phase: EnactmentPhase, outcome: Outcome, retries: Retries, failed: int) -> str:
    if phase is EnactmentPhase.RETRYING:
        return retries.told(failed)
    return retries.given_up(failed) if outcome.fault and not outcome.fault.lasting else ""


def _redacted(outcome: Outcome, redact: Callable[[str], str]) -> Outcome:
    fault = outcome.fault
    if fault is not None:
        fault = replace(fault, cause=redact(fault.cause), details=redact(fault.details))
    probes = tuple(replace(probe, message=redact(probe.message)) for probe in outcome.probes)
    return replace(outcome, fault=fault, probes=probes)


def _captured(status: EnactmentStatus, found: Mapping[str, Any], now: datetime) -> dict[str, CapturedState]:
    meta = _meta(status.policy_generation, now)
    return {
        name: status.captured_states.get(name) or CapturedState(state=masked(state), meta_info=meta)
        for name, state in found.items()
    }


def _details(outcome: Outcome) -> str:
    assert outcome.fault is not None
    parts = [outcome.fault.details, outcome.fault.advice]
    if outcome.stranded:
        parts.append(f"after the rollback these probes fail: {', '.join(outcome.stranded)}")
    if outcome.unlike:
        parts.append(f"after the rollback the node is not as before at: {', '.join(outcome.unlike)}")
    text = "\n".join(filter(None, parts))
    return text if len(text) <= MAX_DETAILS else f"{text[:MAX_DETAILS]}…"


def _shown(desired: Any) -> Any:
    """The state before it is judged; nothing where it is larger or deeper than any that is applied."""
    if too_deep(desired):
        return None
    shown = masked(with_defaults(desired))
    return shown if len(msgspec.json.encode(shown)) <= MAX_STATE_BYTES else None


def _meta(generation: int | None, now: datetime) -> MetaInfo:
    """A state is of the policy's generation: that is its version."""
    return MetaInfo(version=str(generation), time=now.replace(microsecond=0))
