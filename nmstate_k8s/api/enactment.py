"""NodeNetworkConfigurationEnactment: one policy on one node.

The spec is written by the controller and says: this node is admitted to bring about this generation of the
policy, and this is what it says. The status is written by the node from then on.
"""

from __future__ import annotations

__all__ = [
    "Action",
    "CapturedState",
    "Enactment",
    "EnactmentSpec",
    "EnactmentStatus",
    "Failure",
    "MetaInfo",
    "ProbeResult",
]

from typing import Annotated, Literal

from msgspec import field

from nmstate_k8s.api.conditions import Condition
from nmstate_k8s.api.model import Model, Time
from nmstate_k8s.api.probes import Probes
from nmstate_k8s.api.schema import NetworkState, describe

Action = Literal["Apply", "Revert"]


class EnactmentSpec(Model, frozen=True):
    """What the node is admitted to do. Written by the controller; absent: the node waits."""

    policy_generation: Annotated[int, describe("The generation of the policy that the node is to bring about.")] = 0
    desired_state: Annotated[
        NetworkState, describe("The policy's desired state of that generation, as the user wrote it.")
    ] = None
    capture: Annotated[dict[str, str], describe("The policy's captures of that generation: expressions by name.")] = (
        field(default_factory=dict)
    )
    action: Annotated[
        Action,
        describe("Apply the desired state, or Revert what was applied. Default: Apply."),
    ] = "Apply"
    probes: Annotated[
        Probes | None, describe("What the policy of that generation says about probes; absent: nothing.")
    ] = None


class MetaInfo(Model, frozen=True):
    """Where a state comes from."""

    version: Annotated[str, describe("The generation of the policy that the state belongs to.")] = ""
    time: Annotated[Time | None, describe("When the state was made.")] = None


class CapturedState(Model, frozen=True):
    """What a capture found on the node."""

    state: Annotated[NetworkState, describe("The part of the node's state that the expression found.")] = None
    meta_info: Annotated[
        MetaInfo | None, describe("Which generation of the policy the state was captured for, and when.")
    ] = None


class Failure(Model, frozen=True):
    """What went wrong, in parts that programs can use."""

    stage: Annotated[str, describe("The step at which it failed, for example apply or probe.")] = ""
    reason: Annotated[str, describe("The kind of error, as one word.")] = ""
    interface: Annotated[str, describe("The interface that the error is about, where there is one.")] = ""
    details: Annotated[str, describe("The error in full.")] = ""


class ProbeResult(Model, frozen=True):
    """How one connectivity probe ended."""

    name: Annotated[
        str,
        describe(
            "The probe: ping-ipv4, ping-ipv6, dns-ipv4, dns-ipv6, api-server, node-readiness; or tcp, http or https"
            " with what it reaches for."
        ),
    ] = ""
    result: Annotated[
        str,
        describe(
            "Passed, Failed, or Skipped: it did not work before the change, or what it looks for was taken away on"
            " purpose."
        ),
    ] = ""
    milliseconds: Annotated[int, describe("How long it took from the apply until it passed or was given up.")] = 0
    message: Annotated[str, describe("What it saw, in a sentence.")] = ""


class EnactmentStatus(Model, frozen=True):
    """How the node stands with the policy. Written by the node, from its admission on."""

    conditions: Annotated[
        tuple[Condition, ...],
        describe("Progressing, Failing, Available, Pending and Aborted, in this order."),
    ] = ()
    desired_state: Annotated[
        NetworkState,
        describe("What is applied on this node: defaults filled in, captures resolved."),
    ] = None
    desired_state_meta_info: Annotated[
        MetaInfo | None, describe("Which generation of the policy the desired state is of, and since when.")
    ] = None
    policy_generation: Annotated[int | None, describe("The generation of the policy that this status speaks of.")] = (
        None
    )
    captured_states: Annotated[
        dict[str, CapturedState],
        describe("What the captures found, by name; kept, so that a second run uses the same."),
    ] = field(default_factory=dict)
    features: Annotated[tuple[str, ...], describe("The features of nmstate that the desired state makes use of.")] = ()
    retry_count: Annotated[dict[str, int], describe("How many attempts failed, by the policy's generation.")] = field(
        default_factory=dict
    )
    boot_id: Annotated[str, describe("The boot of the node in which this was made true.")] = ""
    transaction_id: Annotated[str, describe("Names the last attempt in the logs of the handler.")] = ""
    failure: Annotated[Failure | None, describe("What went wrong in the last attempt, if it failed.")] = None
    probes: Annotated[tuple[ProbeResult, ...], describe("How the connectivity probes of the last attempt ended.")] = ()
    timing: Annotated[dict[str, float], describe("How many seconds each stage of the last attempt took.")] = field(
        default_factory=dict
    )


class Enactment(Model, frozen=True):
    """A NodeNetworkConfigurationEnactment is one policy on one node: what is applied there, how it went."""

    spec: Annotated[
        EnactmentSpec | None,
        describe(
            "What the node is admitted to bring about. Written by the controller, as a whole; absent: wait.",
            **{"x-kubernetes-map-type": "atomic"},
        ),
    ] = None
    status: Annotated[EnactmentStatus, describe("How the node stands with the policy.")] = EnactmentStatus()
