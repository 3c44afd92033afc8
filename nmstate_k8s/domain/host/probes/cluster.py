"""api-server and node-readiness: the cluster still sees the node, over connections that are made anew."""

from __future__ import annotations

from typing import Any

import msgspec

from nmstate_k8s.api.probes import ProbeKind
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import ApiError, Forbidden, Unauthorized
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.host.probes.result import Change, ProbeFailed, ProbeSkipped
from nmstate_k8s.domain.kinds import NODES

__all__ = ["ApiServerProbe", "NodeReadinessProbe"]


class ApiServerProbe:
    """The API server answers over a new connection, whatever it says."""

    name = "api-server"
    kind: ProbeKind = "api-server"
    always = True
    try_seconds = 5.0

    def __init__(self, client: Client) -> None:
        self._client = client

    async def attempt(self, change: Change) -> None:
        try:
            await self._client.request("GET", "/readyz", new_connection=True)
        except ApiError as error:
            if not 0 < error.status < 500:
                raise ProbeFailed(error.message) from error


class NodeReadinessProbe:
    """The Node is Ready. Where our permission was withdrawn meanwhile (an uninstall), no network is to blame."""

    name = "node-readiness"
    kind: ProbeKind = "node-readiness"
    always = True
    try_seconds = 5.0

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node

    async def attempt(self, change: Change) -> None:
        try:
            raw = await self._client.request("GET", NODES.path(self._node), new_connection=True)
        except (Forbidden, Unauthorized) as error:
            raise ProbeSkipped(f"the API server answers, but does not let us read the Node: {error.message}") from error
        except ApiError as error:
            raise ProbeFailed(f"the Node cannot be read: {error.message}") from error
        ready = Object.from_bytes(raw).view(_Node).ready
        if ready is None or ready.status != "True":
            raise ProbeFailed(f"the Node is not Ready: {ready.message if ready else 'it has no such condition'}")


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str
    message: str = ""


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class _Node(msgspec.Struct, frozen=True):
    status: _Status = _Status()

    @property
    def ready(self) -> Any:
        return next((condition for condition in self.status.conditions if condition.type == "Ready"), None)
