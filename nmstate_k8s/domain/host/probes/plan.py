"""What is probed for one policy: its own words over the node's defaults."""

from __future__ import annotations

from dataclasses import dataclass

from nmstate_k8s.api.probes import Probes

__all__ = ["DEFAULT_PLAN", "PROBE_SECONDS", "ProbePlan", "plan_for"]

PROBE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What is probed, and how long."""

    total_seconds: float = PROBE_SECONDS
    """After these the probes that have not passed have failed."""


DEFAULT_PLAN = ProbePlan()


def plan_for(policy: Probes | None, defaults: ProbePlan) -> ProbePlan:
    """The plan of a policy that may say something of its own."""
    if policy is None or policy.timeout_seconds is None:
        return defaults
    return ProbePlan(total_seconds=float(policy.timeout_seconds))
