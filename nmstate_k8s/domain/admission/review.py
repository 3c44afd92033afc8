"""The judgement of a policy that is being written: what the webhooks ask, as functions of plain values.

- ``validate`` says no with the path of the mistake, or yes with warnings. It may take long (libnmstate is asked):
  the webhook runs it in a thread of its own, one call at a time.
- ``mutate_policy``, ``mutate_status`` and ``mutate_timestamp`` give JSON patches of the object that came; nothing
  to do: no operation, so that a write that changes nothing stays one that changes nothing.
- Nothing here knows of HTTP, of certificates or of the API server.
"""

from __future__ import annotations

__all__ = ["Others", "Verdict", "mutate_policy", "mutate_status", "mutate_timestamp", "validate"]

from collections.abc import Sequence
from dataclasses import dataclass

from nmstate_k8s.core.admission import AdmissionRequest
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.admission.mutating import mutate_policy, mutate_status, mutate_timestamp
from nmstate_k8s.domain.policy.facts import policy_facts

MAX_DESIRED_STATE = 256 * 1024
"""Bytes, as JSON: each node's enactment brings it twice, beside the state before (etcd takes 1.5 MiB)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the policy is taken, why not, and what whoever writes it is told."""

    allowed: bool
    message: str = ""
    """Why not: begins with the path of what is wrong, as in ``spec.desiredState.interfaces[0].mtu: …``."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Others:
    """What else there is in the cluster, as of now."""

    policies: Sequence[Object] = ()
    """All, also the one that is asked about as it was."""
    nodes: Sequence[Object] = ()


def validate(request: AdmissionRequest, others: Others) -> Verdict:
    """The verdict on a policy that is created, changed or deleted."""
    policy = request.new
    if policy is None:
        return Verdict(allowed=True)
    size = len(desired_state(policy))
    if size > MAX_DESIRED_STATE:
        return Verdict(False, f"spec.desiredState: {size} bytes as JSON, at most {MAX_DESIRED_STATE} are possible")
    return Verdict(allowed=True)


def desired_state(policy: Object) -> bytes:
    """What the policy wants, as the JSON that came."""
    return bytes(policy_facts(policy).desired_state)
