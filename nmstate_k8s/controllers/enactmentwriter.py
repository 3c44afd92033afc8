"""Reads and writes the enactments of a node: always the server's own word, never a cached one."""

from __future__ import annotations

from typing import Protocol

from nmstate_k8s.api.enactment import EnactmentStatus
from nmstate_k8s.api.meta import HANDLER_MANAGER
from nmstate_k8s.api.model import to_json
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import ConnectionsReset
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import ENACTMENTS

__all__ = ["ClientEnactmentWriter", "EnactmentWriter"]


class EnactmentWriter(Protocol):
    """The part of the API server that the node's reconciler needs."""

    async def read(self, name: str) -> Object:
        """The enactment as it is now.

        :raises NotFound: if it is gone.
        """

    async def write(self, enactment: Object, status: EnactmentStatus) -> None:
        """Make this its whole status, if it is still that very enactment.

        :raises NotFound: if it is gone.
        :raises Invalid: if another one has taken its name.
        """


class ClientEnactmentWriter:
    """Through a client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, name: str) -> Object:
        return await self._client.get(ENACTMENTS, name)

    async def write(self, enactment: Object, status: EnactmentStatus) -> None:
        """The status is written as a whole by one operation: nothing of an older one can be left in it."""
        operations: list[dict[str, object]] = [
            {"op": "test", "path": "/metadata/uid", "value": enactment.uid},
            {"op": "add", "path": "/status", "value": to_json(status)},
        ]
        try:
            await self._patch(enactment.name, operations)
        except ConnectionsReset:
            # By ourselves, after an apply. Writing the same status twice is writing it once.
            await self._patch(enactment.name, operations)

    async def _patch(self, name: str, operations: list[dict[str, object]]) -> None:
        await self._client.json_patch(ENACTMENTS, name, operations, subresource="status", field_manager=HANDLER_MANAGER)
