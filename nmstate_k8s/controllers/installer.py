"""One object of the installation: applied, taken over from another program, made anew, removed."""

from __future__ import annotations

__all__ = ["Installer"]

from contextlib import suppress
from typing import Any, Final

import structlog

from nmstate_k8s.api.meta import OPERATOR_MANAGER
from nmstate_k8s.controllers.installed import FOREGROUND
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import Conflict, Invalid, NotFound
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.domain.install.drift import holds
from nmstate_k8s.domain.install.foreign import adoption, is_foreign, is_owned, must_be_made_anew
from nmstate_k8s.domain.install.stack import Manifest

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Installer:
    """Writes objects of the installation, one at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ensure(self, manifest: Manifest, found: Object | None) -> Object:
        """The object, as it ought to be.

        :param found: as the cache has it; None where it is missing, or bears no label of ours.
        """
        if found is not None and holds(manifest.body, found.to_dict()) and not is_foreign(found):
            return found
        if found is None or is_foreign(found):
            found = await self._taken_over(manifest)
        log.info("applying", object=str(manifest), because="it is missing" if found is None else "it differs")
        applied = await self._apply(manifest, found)
        if holds(manifest.body, applied.to_dict()):
            return applied
        # Somebody added to a list whose elements have owners of their own (a container, a variable), which an
        # apply leaves alone; a merge patch replaces lists.
        return await self._client.merge_patch(
            manifest.resource,
            manifest.key.name,
            manifest.body,
            namespace=manifest.key.namespace,
            field_manager=OPERATOR_MANAGER,
        )

    async def remove(self, resource: Resource, found: Object) -> None:
        """Delete what is not wanted any more: that very object."""
        log.info("deleting what is not asked for any more", kind=resource.kind, object=str(found.key))
        with suppress(NotFound, Conflict):  # gone, or another one of that name: an event will tell
            await self._client.delete(resource, found.name, found.namespace, uid=found.uid)

    async def let_go(self, resource: Resource, found: Object) -> None:
        """Let what is to go do so before its pods: one of a dead node never would."""
        log.info("not waiting for the pods of what is deleted", kind=resource.kind, object=str(found.key))
        ops: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": found.metadata.resource_version},
            {
                "op": "replace",
                "path": "/metadata/finalizers",
                "value": [one for one in found.metadata.finalizers if one != FOREGROUND],
            },
        ]
        with suppress(NotFound, Conflict, Invalid):  # gone, or changed: an event will tell
            await self._client.json_patch(resource, found.name, ops, namespace=found.namespace)

    async def _taken_over(self, manifest: Manifest) -> Object | None:
        """What is there, with all that other programs set in it written down as ours."""
        try:
            found = await self._client.get(manifest.resource, manifest.key.name, manifest.key.namespace)
        except NotFound:
            return None
        return await self._adopted(manifest, found) if is_foreign(found) else found

    async def _adopted(self, manifest: Manifest, found: Object) -> Object:
        log.info("taking over what others set", object=str(manifest))
        resource, (namespace, name) = manifest.resource, manifest.key
        return await self._client.json_patch(resource, name, adoption(found), namespace=namespace)

    async def _apply(self, manifest: Manifest, found: Object | None) -> Object:
        """Apply; where what others set does not go with what we ask for, that goes first, or the whole object."""
        try:
            return await self._client.apply(manifest.resource, manifest.body, field_manager=OPERATOR_MANAGER)
        except Invalid as error:
            if found is None or not is_owned(found):
                raise
            log.warning("refused together with what others set", object=str(manifest), error=str(error))
        fresh = await self._client.get(manifest.resource, found.name, found.namespace)
        fresh = await self._adopted(manifest, fresh)
        try:
            return await self._client.apply(manifest.resource, manifest.body, field_manager=OPERATOR_MANAGER)
        except Invalid as error:
            if not must_be_made_anew(error):
                raise
            log.warning("making anew what cannot be changed", object=str(manifest), error=str(error))
        await self.remove(manifest.resource, fresh)
        return await self._client.apply(manifest.resource, manifest.body, field_manager=OPERATOR_MANAGER)
