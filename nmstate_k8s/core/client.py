"""The API server's verbs, on raw bytes.

* Answers are `Object`s; failures are the errors of `errors`, nothing else. How often a request is tried, and what
  breaks it off, is told in `requester`.
* Writes are server-side apply or patches of the fields that the caller owns; `replace` exists for the few
  objects (leases, secrets) whose every write carries a resourceVersion.
* `dry_run` asks the server what it would answer: admission and validation run, nothing is kept.
* What was written is told to `writes`, so that whoever runs the caller's code knows what it wrote.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from nmstate_k8s.core import wire, writes
from nmstate_k8s.core.errors import ApiError, Conflict, Expired, NeverSent, NotFound, Unavailable
from nmstate_k8s.core.objects import Key, Object, ObjectList, Resource, Trim
from nmstate_k8s.core.requester import Requester
from nmstate_k8s.core.retry import NO_RETRY, RetryPolicy
from nmstate_k8s.core.transport import Request, Response
from nmstate_k8s.core.watching import WatchEvent, decode_watch_line, watch_query

__all__ = ["APPLY", "JSON_PATCH", "MERGE", "Client"]

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"


class Client(Requester):
    """The verbs, on kinds and names."""

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
        trim: Trim | None = None,
        retry: RetryPolicy | None = None,
    ) -> ObjectList:
        """All objects that the selectors choose, as of one moment, read in pages.

        `trim` is applied to each object before the next page is asked for: what it takes away is never held for all.
        """
        query = wire.selectors(label_selector, field_selector) | {"limit": str(self._page_size)}
        try:
            return await self._pages(resource, namespace, query, trim, retry)
        except Expired:
            # The list grew old between two pages: read it in one.
            del query["limit"]
            return await self._pages(resource, namespace, query, trim, retry)

    async def _pages(
        self,
        resource: Resource,
        namespace: str,
        query: dict[str, str],
        trim: Trim | None,
        retry: RetryPolicy | None,
    ) -> ObjectList:
        items: list[Object] = []
        token = ""
        while True:
            page_query = query | {"continue": token} if token else query
            page = wire.decode_page(
                await self.request(
                    "GET",
                    resource.path(namespace=namespace),
                    query=page_query,
                    accept=resource.accept(listed=True),
                    retry=retry,
                ),
                resource,
            )
            items += map(trim, page.items) if trim else page.items
            token = page.continue_
            if not token:
                return ObjectList(tuple(items), page.resource_version)

    async def has_come_to(
        self,
        resource: Resource,
        version: str,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        """Return if the server has come as far as that version of the kind.

        One that was set back (its etcd restored) accepts a watch from a version of its future, and says nothing to
        it: no event, no bookmark, no error. It is asked for one object, which costs it next to nothing.

        :raises Unavailable: with `too_large_resource_version`, if it has not; for any other reason it is not known.
        """
        query = wire.selectors(label_selector, field_selector)
        query |= {"limit": "1", "resourceVersion": version, "resourceVersionMatch": "NotOlderThan"}
        accept = resource.as_metadata().accept(listed=True)
        await self.request("GET", resource.path(namespace=namespace), query=query, accept=accept, retry=NO_RETRY)

    async def create(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str = "", dry_run: bool = False
    ) -> Object:
        """A new object, in the namespace that its metadata names.

        Not repeated when its answer was lost: it may be there.

        :raises AlreadyExists: if the name is taken.
        """
        namespace = wire.namespace(body)
        path = resource.path(namespace=namespace)
        try:
            answer = await self.request(
                "POST",
                path,
                wire.typed(resource, body),
                wire.options(field_manager, dry_run=dry_run),
                accept=resource.accept(),
            )
        except Unavailable as error:
            if not isinstance(error, NeverSent) and not body.get("metadata", {}).get("name") and not dry_run:
                writes.lost(resource, namespace)
            raise
        return _answered(answer, resource, dry_run)

    async def replace(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
    ) -> Object:
        """The whole object anew; metadata.resourceVersion makes it conditional.

        :raises Conflict: if the object has moved on (with `maybe_done`: perhaps by this very call).
        """
        path = resource.path(wire.name(body), wire.namespace(body), subresource)
        query = wire.options(field_manager, dry_run=dry_run)
        answer = await self.request("PUT", path, wire.typed(resource, body), query, accept=resource.accept())
        return _answered(answer, resource, dry_run)

    async def apply(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Server-side apply: the fields in `body` are ours and as we say, those that we left out go.

        :raises Conflict: without `force`, if somebody else owns one of the fields; `causes` name them.
        """
        return await self._patch(
            resource,
            resource.path(wire.name(body), wire.namespace(body), subresource),
            wire.typed(resource, body),
            APPLY,
            wire.options(field_manager, dry_run=dry_run) | {"force": "true" if force else "false"},
        )

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        *,
        namespace: str = "",
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
    ) -> Object:
        """JSON merge patch: maps are merged, null removes, lists are replaced."""
        path = resource.path(name, namespace, subresource)
        return await self._patch(resource, path, patch, MERGE, wire.options(field_manager, dry_run=dry_run))

    async def json_patch(
        self,
        resource: Resource,
        name: str,
        ops: Sequence[Mapping[str, Any]],
        *,
        namespace: str = "",
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
    ) -> Object:
        """JSON patch: operations in order, all or none. Not repeated when its answer was lost.

        :raises Invalid: if an operation (a `test` too) does not hold.
        """
        path = resource.path(name, namespace, subresource)
        return await self._patch(resource, path, ops, JSON_PATCH, wire.options(field_manager, dry_run=dry_run))

    async def _patch(
        self,
        resource: Resource,
        path: str,
        body: Mapping[str, Any] | Sequence[Any],
        content_type: str,
        query: dict[str, str],
    ) -> Object:
        answer = await self.request("PATCH", path, body, query, content_type=content_type, accept=resource.accept())
        return _answered(answer, resource, "dryRun" in query)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation: str = "Background",
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Ask for an object's deletion; finalizers may hold it back.

        `uid` makes sure that it is that very object, `resource_version` that it is as we saw it.
        `propagation` says what becomes of what it owns: Background, Foreground or Orphan.
        When the answer was lost it is repeated only with a `uid`: another object may have taken the name.

        :raises NotFound: if it is not there.
        :raises Conflict: if another object has taken the name, or it was changed.
        """
        conditions = {"uid": uid, "resourceVersion": resource_version}
        body = wire.delete_options(propagation, conditions, grace_seconds, dry_run=dry_run)
        try:
            answer = await self.request("DELETE", resource.path(name, namespace), body, repeatable=bool(uid))
        except (NotFound, Conflict) as error:
            if not error.maybe_done or (isinstance(error, Conflict) and resource_version):
                raise
            answer = b""  # that very object is gone: the answer to an earlier try was lost, not the try
        if not dry_run:
            writes.deleted(resource, Key(namespace, name), answer)

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> None:
        """Ask for the deletion of all that the selectors choose; without any: of all. Never repeated by itself."""
        await self.request(
            "DELETE",
            resource.path(namespace=namespace),
            wire.delete_options(propagation, {}, None, dry_run=dry_run),
            wire.selectors(label_selector, field_selector),
            repeatable=False,
        )

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

        Without a version it begins with all that is there, and a bookmark that `ends_list`, where the server can.
        One try, no retry: the caller knows from which version to go on. Close it (`aclosing`) when done.

        :raises Expired: if that version is history; list anew.
        :raises Invalid: without a version, if the server does not send what is there; list it.
        :raises ApiError: whatever else the server says, at the start or inside the stream.
        """
        query = wire.selectors(label_selector, field_selector) | watch_query(resource_version, timeout_seconds)
        request = Request("GET", resource.path(namespace=namespace), query, accept=resource.accept())
        opened = False
        try:
            async with self._transport.stream(request, idle_seconds=self._watch_idle) as stream:
                opened = True
                self.metrics.request(stream.status, "WATCH", self._host)
                if stream.status != 200:
                    body = b"\n".join([line async for line in stream.lines])
                    raise wire.failure(request, Response(stream.status, stream.headers, body))
                async with aclosing(stream.lines) as lines:
                    async for line in lines:
                        yield decode_watch_line(line, resource, str(request))
        except ApiError:
            if not opened:
                self.metrics.request("<error>", "WATCH", self._host)
            raise


def _answered(answer: bytes, resource: Resource, dry_run: bool) -> Object:
    obj = Object(answer, resource)
    if not dry_run:
        writes.wrote(resource, obj)
    return obj
