"""What an API server serves, as it says at this moment: group versions, kinds, whether there is a certain one.

* Each call is one request. Nothing is remembered: what is served changes with every CRD, and who wants to hear of that
  follows CRDs with an informer.
* A kind that is not served is no error here. A group whose server is away is one, `Unavailable`: nobody knows.

Source: Kubernetes API concepts, "API Discovery".
"""

from typing import TypeVar

import msgspec

from nmstate_k8s.core.errors import NotFound, Unavailable
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.core.requester import Requester

__all__ = ["group_versions", "is_served", "resources"]

T = TypeVar("T")


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    versions: list[_Version] = []
    preferred_version: _Version | None = None


class _Core(msgspec.Struct):
    versions: list[str] = []


class _Kind(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool = False


class _Kinds(msgspec.Struct):
    resources: list[_Kind] = []


async def group_versions(client: Requester, group: str) -> tuple[str, ...]:
    """The versions of a group ("" is the core one) that are served, the server's preferred one first; none: empty."""
    body = await _asked(client, f"/apis/{group}" if group else "/api")
    if body is None:
        return ()
    if not group:
        return tuple(_read(body, _Core).versions)
    found = _read(body, _Group)
    first = found.preferred_version.version if found.preferred_version else ""
    return tuple(sorted((each.version for each in found.versions), key=lambda version: version != first))


async def resources(client: Requester, group: str, version: str) -> tuple[Resource, ...]:
    """The kinds of a group version, without subresources; empty if it is not served."""
    body = await _asked(client, f"/apis/{group}/{version}" if group else f"/api/{version}")
    if body is None:
        return ()
    return tuple(
        Resource(group, version, each.name, each.kind, namespaced=each.namespaced)
        for each in _read(body, _Kinds).resources
        if "/" not in each.name
    )


async def is_served(client: Requester, resource: Resource) -> bool:
    """Whether there is such a kind, under this name and in this version."""
    return any(each.plural == resource.plural for each in await resources(client, resource.group, resource.version))


async def _asked(client: Requester, path: str) -> bytes | None:
    try:
        return await client.request("GET", path)
    except NotFound:
        return None


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"what is served cannot be read: {error}") from error
