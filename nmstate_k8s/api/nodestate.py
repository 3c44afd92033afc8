"""NodeNetworkState: what the network of a node looks like."""

from __future__ import annotations

__all__ = ["NodeState", "NodeStateStatus", "TRUNCATED", "nodestate_conditions"]

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from nmstate_k8s.api.conditions import Condition
from nmstate_k8s.api.model import Model, Time
from nmstate_k8s.api.schema import NetworkState, describe

TRUNCATED = "Truncated"
"""The type of the condition that says what a report leaves out. It is there only while something is left out."""


class NodeStateStatus(Model, frozen=True):
    """What the node's handler reports."""

    current_state: Annotated[
        NetworkState, describe("The state of the node's network, in nmstate's language (https://nmstate.io).")
    ] = None
    last_successful_update_time: Annotated[
        Time | None, describe("When the state was last seen to change and reported.")
    ] = None
    handler_network_manager_version: Annotated[
        str, describe("The version of NetworkManager that the handler was made for.")
    ] = ""
    handler_nmstate_version: Annotated[str, describe("The version of nmstate in the handler.")] = ""
    host_network_manager_version: Annotated[str, describe("The version of NetworkManager that runs on the node.")] = ""
    conditions: Annotated[tuple[Condition, ...], describe("How the reporting itself stands.")] = ()


class NodeState(Model, frozen=True):
    """A NodeNetworkState is the network of the node of the same name, as its handler sees it."""

    status: Annotated[NodeStateStatus, describe("What the node's handler reports.")] = NodeStateStatus()


def nodestate_conditions(left_out: str, *, now: datetime, previous: Sequence[Condition] = ()) -> tuple[Condition, ...]:
    """The conditions of a report; `left_out`: what was too large for it, in words. A whole report has none."""
    if not left_out:
        return ()
    message = f"The state is too large for the API server; left out: {left_out}"
    known = next((each for each in previous if each.type == TRUNCATED and each.status == "True"), None)
    if known is not None and known.message == message:
        return (known,)
    since = known.last_transition_time if known is not None and known.last_transition_time else now
    return (
        Condition(
            type=TRUNCATED,
            status="True",
            reason="TooLarge",
            message=message,
            last_transition_time=since,
            last_heartbeat_time=now,
        ),
    )
