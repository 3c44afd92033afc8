"""Reads and writes the NodeNetworkState of a node, and makes it, owned by the Node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from nmstate_k8s.api.conditions import Condition
from nmstate_k8s.api.meta import HANDLER_MANAGER
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import AlreadyExists, ConnectionsReset, NotFound
from nmstate_k8s.domain.kinds import NODE_STATES, NODE_STATES_METADATA, NODES

__all__ = ["ClientNodeStateWriter", "NodeStateWriter", "There"]


class There(msgspec.Struct, frozen=True, rename="camel"):
    """The status that the server has; the state in it stays undecoded."""

    current_state: msgspec.Raw = msgspec.Raw()
    """Empty (or null) where there is none."""
    last_successful_update_time: str = ""
    handler_network_manager_version: str = ""
    handler_nmstate_version: str = ""
    host_network_manager_version: str = ""
    conditions: tuple[Condition, ...] = ()

    @property
    def state(self) -> msgspec.Raw | None:
        """The state, if there is one."""
        return None if bytes(self.current_state) in (b"", b"null") else self.current_state

    @property
    def versions(self) -> dict[str, str]:
        """By the name of the field."""
        return {
            "handlerNetworkManagerVersion": self.handler_network_manager_version,
            "handlerNmstateVersion": self.handler_nmstate_version,
            "hostNetworkManagerVersion": self.host_network_manager_version,
        }


class _Object(msgspec.Struct):
    status: There = There()


class NodeStateWriter(Protocol):
    """The part of the API server that the reporter needs."""

    async def read(self) -> There:
        """The status that the server has; empty if there is none."""

    async def patch(self, written: str, moment: str, changes: Sequence[Mapping[str, Any]]) -> None:
        """Carry out `changes` and note the `moment`, if the server's status is the one `written` then.

        :raises Invalid: if it is not.
        :raises NotFound: if there is none.
        """

    async def write(self, status: Mapping[str, Any]) -> None:
        """Make this the whole status, and the object if need be."""


class ClientNodeStateWriter:
    """Through a client."""

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node

    async def read(self) -> There:
        try:
            found = await self._client.get(NODE_STATES, self._node)
        except NotFound:
            return There()
        return found.view(_Object).status

    async def patch(self, written: str, moment: str, changes: Sequence[Mapping[str, Any]]) -> None:
        await self._patch(
            [
                {"op": "test", "path": "/status/lastSuccessfulUpdateTime", "value": written},
                {"op": "replace", "path": "/status/lastSuccessfulUpdateTime", "value": moment},
                *changes,
            ]
        )

    async def write(self, status: Mapping[str, Any]) -> None:
        whole = [{"op": "add", "path": "/status", "value": status}]
        try:
            await self._patch(whole)
        except NotFound:
            await self._create()
            await self._patch(whole)

    async def _create(self) -> None:
        node = await self._client.get(NODES, self._node)
        owner = {"apiVersion": NODES.api_version, "kind": NODES.kind, "name": node.name, "uid": node.uid}
        try:
            await self._client.create(NODE_STATES, {"metadata": {"name": self._node, "ownerReferences": [owner]}})
        except AlreadyExists:
            return

    async def _patch(self, operations: Sequence[Mapping[str, Any]]) -> None:
        try:
            await self._send(operations)
        except ConnectionsReset:
            # By ourselves, after an apply. If the server has carried it out already, it says that it does not hold.
            await self._send(operations)

    async def _send(self, operations: Sequence[Mapping[str, Any]]) -> None:
        await self._client.json_patch(
            NODE_STATES_METADATA, self._node, operations, subresource="status", field_manager=HANDLER_MANAGER
        )
