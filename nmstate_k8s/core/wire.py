"""What requests and answers look like: small translations that the client needs."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from nmstate_k8s.core.errors import ApiError, Unavailable, error_from_status
from nmstate_k8s.core.nesting import decoded
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.core.retry import retry_after_seconds
from nmstate_k8s.core.transport import Request, Response

__all__ = ["Page", "decode_page", "delete_options", "failure", "name", "namespace", "options", "selectors", "typed"]


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


_decoder = msgspec.json.Decoder(_List)


class Page(NamedTuple):
    """A piece of a list, and the token for the next one.

    An object is copied out of the page when it is taken, so that what is trimmed at once leaves no hole behind it.
    """

    items: Iterator[Object]
    resource_version: str
    continue_: str


def decode_page(body: bytes, resource: Resource) -> Page:
    """
    :raises Unavailable: if that is no list.
    """
    try:
        page = decoded(_decoder.decode, body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unavailable(f"the list of {resource.plural} cannot be read: {error}") from error
    items = (Object(bytes(item), resource) for item in page.items or ())
    return Page(items, page.metadata.resource_version, page.metadata.continue_)


def failure(request: Request, response: Response) -> ApiError:
    """The error that an answer other than 2xx means."""
    retry_after = retry_after_seconds(response.headers)
    return error_from_status(response.body, status=response.status, retry_after=retry_after, request=str(request))


def selectors(labels: str, fields: str) -> dict[str, str]:
    """The query of a selection."""
    return {name: text for name, text in (("labelSelector", labels), ("fieldSelector", fields)) if text}


def options(field_manager: str, *, dry_run: bool = False) -> dict[str, str]:
    """The query of a write: who writes, and whether it is only a question."""
    query = {"fieldManager": field_manager} if field_manager else {}
    return query | {"dryRun": "All"} if dry_run else query


def delete_options(
    propagation: str, conditions: Mapping[str, str], grace_seconds: int | None, *, dry_run: bool
) -> dict[str, Any]:
    """The body of a deletion."""
    body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    if any(conditions.values()):
        body["preconditions"] = {name: value for name, value in conditions.items() if value}
    if grace_seconds is not None:
        body["gracePeriodSeconds"] = grace_seconds
    if dry_run:
        body["dryRun"] = ["All"]
    return body


def typed(resource: Resource, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with apiVersion and kind, which every write needs."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}


def name(body: Mapping[str, Any]) -> str:
    """The object's name.

    :raises ValueError: if it has none.
    """
    found = body.get("metadata", {}).get("name", "")
    if not found:
        raise ValueError("the object has no metadata.name")
    return str(found)


def namespace(body: Mapping[str, Any]) -> str:
    """The object's namespace, if it names one."""
    return str(body.get("metadata", {}).get("namespace", ""))
