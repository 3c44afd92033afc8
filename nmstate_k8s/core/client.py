"""The API server's verbs, on raw bytes.

* Answers are `Object`s; failures are the errors of `errors`, nothing else.
* What may be repeated is repeated (`retry`); every request ends within `request_timeout` seconds a try.
* Writes are server-side apply or patches of the fields that the caller owns; `replace` exists for the few
  objects (leases) whose every write carries a resourceVersion.
* `reset_connections` abandons every connection, breaks open watches and ends pauses, so that everything
  resumes at once over new connections: for a process whose address moves under its feet.
* A `fenced` client asks before each write whether it may still be sent: for what only a leader may write.
* What was written is told to `writes`, so that whoever runs the caller's code knows what it wrote.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from nmstate_k8s.core import wire, writes
from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ApiError, Expired, NeverSent, NotFound, Unavailable
from nmstate_k8s.core.metrics import METRICS, Metrics
from nmstate_k8s.core.objects import Key, Object, ObjectList, Resource
from nmstate_k8s.core.retry import NO_RETRY, RetryPolicy
from nmstate_k8s.core.transport import Fence, HttpTransport, Request, Response, Transport
from nmstate_k8s.core.watching import WatchEvent, decode_watch_line, watch_query

__all__ = ["APPLY", "JSON_PATCH", "MERGE", "Client"]

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"


class Client:
    """A connection pool to one API server. Use it as an async context manager."""

    def __init__(
        self,
        config: ClusterConfig,
        *,
        clock: Clock = SYSTEM_CLOCK,
        transport: Transport | None = None,
        user_agent: str = "nmstate-k8s",
        request_timeout: float = 30.0,
        watch_idle_seconds: float = 150.0,
        page_size: int = 500,
        retry: RetryPolicy | None = None,
        metrics: Metrics = METRICS,
    ) -> None:
        self.config = config
        self.clock = clock
        self.metrics = metrics
        self._transport = transport or HttpTransport(config, user_agent=user_agent)
        self._timeout = request_timeout
        self._page_size = page_size
        self._watch_idle = watch_idle_seconds
        self._retry = retry or RetryPolicy()
        self._fence: Fence | None = None
        self._wake = _Wake()
        self._host = config.server.partition("://")[2]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Abandon all connections."""
        await self._transport.close()

    def reset_connections(self) -> None:
        """Abandon all connections; watches and repeatable requests go on at once over new ones."""
        self._transport.reset()
        self._wake.everybody()

    async def pause(self, seconds: float) -> None:
        """Wait before trying again; `reset_connections` ends the wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.event.wait()

    def fenced(self, fence: Fence) -> "Client":
        """This client, whose writes are sent only if `fence` does not raise right before. Reads are as always.

        Connections, credentials and all else are shared; closing either closes both.
        """
        made = copy.copy(self)
        made._fence = fence
        return made

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """One object.

        :raises NotFound: if it is not there.
        """
        body = await self.request("GET", resource.path(name, namespace), accept=resource.accept())
        return Object(body, resource)

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        *,
        retry: RetryPolicy | None = None,
    ) -> ObjectList:
        """All objects that the selectors choose, as of one moment, read in pages."""
        query = wire.selectors(label_selector, field_selector) | {"limit": str(self._page_size)}
        try:
            return await self._pages(resource, namespace, query, retry)
        except Expired:
            # The list grew old between two pages: read it in one.
            del query["limit"]
            return await self._pages(resource, namespace, query, retry)

    async def _pages(
        self, resource: Resource, namespace: str, query: dict[str, str], retry: RetryPolicy | None
    ) -> ObjectList:
        items: list[Object] = []
        token = ""
        while True:
            page_query = query | {"continue": token} if token else query
            body = await self.request(
                "GET",
                resource.path(namespace=namespace),
                query=page_query,
                accept=resource.accept(listed=True),
                retry=retry,
            )
            page = wire.decode_page(body, resource)
            items += page.items
            token = page.continue_
            if not token:
                return ObjectList(tuple(items), page.resource_version)

    async def create(self, resource: Resource, body: Mapping[str, Any]) -> Object:
        """A new object, in the namespace that its metadata names.

        :raises AlreadyExists: if the name is taken.
        """
        namespace = wire.namespace(body)
        path = resource.path(namespace=namespace)
        try:
            answer = await self.request("POST", path, wire.typed(resource, body))
        except Unavailable as error:
            if not isinstance(error, NeverSent) and not body.get("metadata", {}).get("name"):
                writes.lost(resource, namespace)
            raise
        return _written(answer, resource)

    async def replace(self, resource: Resource, body: Mapping[str, Any], *, subresource: str = "") -> Object:
        """The whole object anew; metadata.resourceVersion makes it conditional.

        :raises Conflict: if the object has moved on.
        """
        path = resource.path(wire.name(body), wire.namespace(body), subresource)
        return _written(await self.request("PUT", path, wire.typed(resource, body)), resource)

    async def apply(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str = "",
    ) -> Object:
        """Server-side apply: the fields in `body` are ours and as we say, those that we left out go.

        :raises Conflict: without `force`, if somebody else owns one of the fields.
        """
        path = resource.path(wire.name(body), wire.namespace(body), subresource)
        query = {"fieldManager": field_manager, "force": "true" if force else "false"}
        answer = await self.request("PATCH", path, wire.typed(resource, body), query, content_type=APPLY)
        return _written(answer, resource)

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        *,
        namespace: str = "",
        subresource: str = "",
        field_manager: str = "",
    ) -> Object:
        """JSON merge patch: maps are merged, null removes, lists are replaced."""
        path = resource.path(name, namespace, subresource)
        answer = await self.request(
            "PATCH", path, patch, wire.manager(field_manager), content_type=MERGE, accept=resource.accept()
        )
        return _written(answer, resource)

    async def json_patch(
        self,
        resource: Resource,
        name: str,
        ops: Sequence[Mapping[str, Any]],
        *,
        namespace: str = "",
        subresource: str = "",
        field_manager: str = "",
    ) -> Object:
        """JSON patch: operations in order, all or none.

        :raises Invalid: if an operation (a `test` too) does not hold.
        """
        path = resource.path(name, namespace, subresource)
        answer = await self.request(
            "PATCH", path, ops, wire.manager(field_manager), content_type=JSON_PATCH, accept=resource.accept()
        )
        return _written(answer, resource)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation: str = "Background",
        uid: str = "",
    ) -> None:
        """Ask for an object's deletion; `uid` makes sure that it is that very object.

        :raises NotFound: if it is not there.
        :raises Conflict: if another object has taken the name.
        """
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        answer = await self.request("DELETE", resource.path(name, namespace), options)
        writes.deleted(resource, Key(namespace, name), answer)

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """What happens after `resource_version`, until the server ends the watch (after some minutes).

        One try, no retry: the caller knows from which version to go on. Close it (`aclosing`) when done.

        :raises Expired: if that version is history; list anew.
        :raises ApiError: whatever else the server says, at the start or inside the stream.
        """
        query = wire.selectors(label_selector, field_selector) | watch_query(resource_version, timeout_seconds)
        request = Request("GET", resource.path(namespace=namespace), query, accept=resource.accept())
        async with self._transport.stream(request, idle_seconds=self._watch_idle) as stream:
            self.metrics.request(stream.status, "WATCH", self._host)
            if stream.status != 200:
                body = b"\n".join([line async for line in stream.lines])
                raise wire.failure(request, Response(stream.status, stream.headers, body))
            async with aclosing(stream.lines) as lines:
                async for line in lines:
                    yield decode_watch_line(line, resource, str(request))

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] | Sequence[Any] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        new_connection: bool = False,
    ) -> bytes:
        """Any request; the answer's body.

        `new_connection`: one try over a connection of its own, which is the honest question whether the
        API server can be reached now.

        :raises ApiError: if the answer is not 2xx, or there is none.
        :raises CoreError: what the fence raised; nothing was sent then.
        """
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        fence = None if method in ("GET", "HEAD") else self._fence
        request = Request(method, path, query or {}, data, content_type, accept, fence)
        policy = NO_RETRY if new_connection else retry or self._retry
        attempt = 1
        maybe_done = False
        while True:
            try:
                return await self._once(request, timeout or self._timeout, new_connection)
            except NotFound:
                if maybe_done and method == "DELETE":
                    return b""  # the answer to an earlier try was lost, not the try
                raise
            except ApiError as error:
                delay = policy.delay(error, attempt, request)
                if delay is None:
                    raise
                maybe_done = maybe_done or isinstance(error, Unavailable)
                attempt += 1
            await self.pause(delay)

    async def _once(self, request: Request, timeout: float, new_connection: bool) -> bytes:
        try:
            response = await self._transport.send(request, timeout=timeout, new_connection=new_connection)
        except ApiError:
            self.metrics.request("<error>", request.method, self._host)
            raise
        self.metrics.request(response.status, request.method, self._host)
        if 200 <= response.status < 300:
            return response.body
        raise wire.failure(request, response)


class _Wake:
    """Ends pauses; shared with the clients that were made of this one."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def everybody(self) -> None:
        ended, self.event = self.event, asyncio.Event()
        ended.set()


def _written(answer: bytes, resource: Resource) -> Object:
    obj = Object(answer, resource)
    writes.wrote(resource, obj)
    return obj
