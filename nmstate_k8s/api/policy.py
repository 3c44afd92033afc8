"""NodeNetworkConfigurationPolicy: what the network of the nodes that it selects is to look like."""

from __future__ import annotations

__all__ = ["Policy", "PolicySpec", "PolicyStatus"]

from typing import Annotated

from msgspec import field

from nmstate_k8s.api.conditions import Condition
from nmstate_k8s.api.model import Model, Time
from nmstate_k8s.api.probes import Probes
from nmstate_k8s.api.rollout import Rollout, RolloutStatus
from nmstate_k8s.api.schema import IntOrString, NetworkState, NodeSelector, describe


class PolicySpec(Model, frozen=True):
    """What the user wants."""

    node_selector: Annotated[
        NodeSelector,
        describe(
            "The labels that a node must have, all of them, for the policy to be applied there. Empty: every"
            " node that runs a handler."
        ),
    ] = field(default_factory=dict)
    capture: Annotated[
        dict[str, str],
        describe(
            "Expressions over the node's current state, by name. The desired state refers to what they find,"
            ' as in "{{ capture.NAME.interfaces.0.name }}".'
        ),
    ] = field(default_factory=dict)
    desired_state: Annotated[
        NetworkState,
        describe(
            "The state of the network, in nmstate's language (https://nmstate.io). What it does not mention"
            " stays as it is. Empty: nothing is changed."
        ),
    ] = None
    max_unavailable: Annotated[
        IntOrString | None,
        describe(
            "How many nodes may work on the policy at once, as a number or as a percentage of the policy's"
            " nodes, rounded up and at least 1. When as many nodes have failed, the rest abort. Default: 50%."
        ),
    ] = None
    rollout: Annotated[
        Rollout | None, describe("Whether some nodes go first, and where the rollout stops for a look.")
    ] = None
    progress_deadline_seconds: Annotated[
        int | None,
        describe(
            "After how many seconds without progress the policy is Degraded with reason ProgressDeadlineExceeded."
            " The rollout itself goes on. 0: never. Default: 600.",
            minimum=0,
        ),
    ] = None
    probes: Annotated[
        Probes | None,
        describe(
            "How it is verified that a node is still reachable after this policy was applied there. Each field that"
            " is not said here is as the NMState's probeConfiguration has it."
        ),
    ] = None


class PolicyStatus(Model, frozen=True):
    """How the policy stands on all its nodes together. Written by the controller."""

    observed_generation: Annotated[
        int | None, describe("The metadata.generation of the policy that this status speaks of.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        describe(
            "Available, Degraded, Progressing and Ignored, in this order, computed from the policy's"
            " enactments; then Ready, Reconciling and Stalled for tools that speak kstatus."
        ),
    ] = ()
    rollout: Annotated[RolloutStatus | None, describe("How many nodes are where with the current generation.")] = None
    unavailable_node_count: Annotated[
        int | None,
        describe("How many nodes work on the policy or have failed. For readers of old: see the map."),
    ] = None
    unavailable_node_count_map: Annotated[
        dict[str, int],
        describe("How many nodes work on the policy or have failed, by the policy's generation."),
    ] = field(default_factory=dict)
    last_unavailable_node_count_update: Annotated[
        Time | None, describe("When the number of unavailable nodes last changed.")
    ] = None


class Policy(Model, frozen=True):
    """A NodeNetworkConfigurationPolicy says what the network of the nodes it selects is to look like."""

    spec: Annotated[PolicySpec, describe("What the network is to look like, and where.")] = PolicySpec()
    status: Annotated[PolicyStatus, describe("How the policy stands on all its nodes together.")] = PolicyStatus()
