"""NodeNetworkState: what the network of a node looks like."""

from __future__ import annotations

__all__ = ["NodeState", "NodeStateStatus"]

from typing import Annotated

from nmstate_k8s.api.conditions import Condition
from nmstate_k8s.api.model import Model, Time
from nmstate_k8s.api.schema import NetworkState, describe


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
