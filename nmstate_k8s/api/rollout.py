"""How a policy goes from node to node: steps and pauses in its spec, counts in its status, one budget in NMState."""

from __future__ import annotations

__all__ = ["POLICY_PAUSES", "Budget", "Pause", "Rollout", "RolloutStatus", "Step"]

from typing import Annotated, Final

from msgspec import Meta

from nmstate_k8s.api.model import Model
from nmstate_k8s.api.schema import IntOrString, describe, rule

_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"


POLICY_PAUSES: Final = frozenset({"PausedAtStep", "RolloutPaused"})
"""Reasons of a policy that progresses and stands still because it is told to."""


class Pause(Model, frozen=True):
    """A stop after a step."""

    duration: Annotated[
        str | None,
        describe(
            "How long, for example 10m. Absent: until somebody promotes the rollout by the annotation"
            " nmstate.io/rollout-promote.",
            pattern=_DURATION,
            maxLength=32,
        ),
    ] = None


class Step(Model, frozen=True):
    """Up to how many nodes may have begun before the next step: either nodes or percent."""

    nodes: Annotated[
        int | None, describe("So many nodes of the policy, with those of the steps before.", minimum=1)
    ] = None
    percent: Annotated[
        int | None,
        describe(
            "So many of a hundred nodes of the policy, rounded up, with those of the steps before.",
            minimum=1,
            maximum=100,
        ),
    ] = None
    pause: Annotated[
        Pause | None, describe("Whether to stop when all nodes of the step are Available. Absent: go on.")
    ] = None


_STEP = Meta(
    extra_json_schema={
        "x-kubernetes-validations": [
            rule("has(self.nodes) != has(self.percent)", "a step has either nodes or percent"),
        ]
    }
)


class Rollout(Model, frozen=True):
    """Canaries: some nodes first. maxUnavailable holds besides."""

    steps: Annotated[
        tuple[Annotated[Step, _STEP], ...],
        describe(
            "One after the other; after the last one the other nodes follow. A node that fails before the last step is"
            " over ends the rollout: the others abort.",
            maxItems=32,
        ),
    ] = ()
    soak_seconds: Annotated[
        int | None,
        describe("How long the nodes of a step must have been Available before its pause begins.", minimum=0),
    ] = None


class RolloutStatus(Model, frozen=True):
    """Nodes, by where they are with the current generation."""

    matching: Annotated[int, describe("Nodes that the policy selects and that run a handler.")]
    ready: Annotated[int, describe("Matching nodes that are Ready, or became NotReady at work.")]
    available: Annotated[int, describe("Nodes that have the desired state.")]
    progressing: Annotated[int, describe("Nodes at work.")]
    pending: Annotated[int, describe("Nodes that wait: for a slot, for a step, or to become Ready.")]
    failing: Annotated[int, describe("Nodes that failed for good.")]
    aborted: Annotated[
        int | None, describe("Nodes that aborted because others failed, or because they were told to.")
    ] = None
    step: Annotated[int | None, describe("The step of spec.rollout.steps that the rollout is at, counted from 1.")] = (
        None
    )


class Budget(Model, frozen=True):
    """What all policies together may do to the nodes."""

    max_unavailable: Annotated[
        IntOrString | None,
        describe(
            "How many nodes may be at work at once for all policies together, as a number or as a percentage of the"
            " nodes that run a handler, rounded up and at least 1. Absent: each policy has its own maxUnavailable only."
        ),
    ] = None
