"""What is filled in while a policy is written, so that nobody who waits takes an old answer for a new one.

- A new or changed spec loses the conditions of the spec before.
- The moment of the change is noted as an annotation, in nanoseconds since 1970.
- A status without conditions gets all of them as Unknown: people's tools look for the types by name.
"""

from __future__ import annotations

__all__ = ["mutate_policy", "mutate_status", "mutate_timestamp"]

from datetime import datetime
from typing import Any, Final

import msgspec

from nmstate_k8s.api.conditions import PolicyPhase, policy_conditions
from nmstate_k8s.api.meta import MUTATING_TIMESTAMP_ANNOTATION
from nmstate_k8s.api.model import to_json
from nmstate_k8s.core.admission import AdmissionRequest
from nmstate_k8s.core.objects import Object
from nmstate_k8s.core.patches import Operation, operations

_NANOSECONDS: Final = 1_000_000_000


class _Status(msgspec.Struct):
    conditions: list[Any] | None = None


class _Policy(msgspec.Struct):
    spec: dict[str, Any] | None = None
    status: _Status | None = None


def mutate_policy(request: AdmissionRequest) -> list[Operation]:
    """Clear the conditions where the spec is new."""
    new = request.new
    if new is None or not _changed(request):
        return []
    status = new.view(_Policy).status
    if status is None or not status.conditions:
        return []
    return [{"op": "replace", "path": "/status/conditions", "value": []}]


def mutate_timestamp(request: AdmissionRequest, now: datetime) -> list[Operation]:
    """Note when the spec was changed; where it was not, what was noted stays."""
    new, old = request.new, request.old
    if new is None:
        return []
    noted = old.metadata.annotations.get(MUTATING_TIMESTAMP_ANNOTATION) if old is not None else None
    if noted is None or _changed(request):
        noted = str(int(now.timestamp() * 1_000_000) * (_NANOSECONDS // 1_000_000))
    before = new.to_dict()
    metadata: dict[str, Any] = before.get("metadata") or {}
    annotations: dict[str, Any] = metadata.get("annotations") or {}
    after = metadata | {"annotations": annotations | {MUTATING_TIMESTAMP_ANNOTATION: noted}}
    return operations(metadata, after, "/metadata")


def mutate_status(request: AdmissionRequest, now: datetime) -> list[Operation]:
    """Give a status without conditions those of a policy of which nothing is known yet."""
    new = request.new
    if new is None:
        return []
    status = new.view(_Policy).status
    if status is not None and status.conditions:
        return []
    unknown = [
        to_json(each) for each in policy_conditions(PolicyPhase.UNKNOWN, generation=new.metadata.generation, now=now)
    ]
    if status is None:
        return [{"op": "add", "path": "/status", "value": {"conditions": unknown}}]
    return [{"op": "add", "path": "/status/conditions", "value": unknown}]


def _changed(request: AdmissionRequest) -> bool:
    new, old = request.new, request.old
    return old is None or (new is not None and _spec(new) != _spec(old))


def _spec(policy: Object) -> dict[str, Any]:
    return policy.view(_Policy).spec or {}
