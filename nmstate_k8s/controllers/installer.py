"""One object of the installation: applied, taken over from another program, made anew, removed."""

from __future__ import annotations

__all__ = ["Installer"]

from contextlib import suppress
from typing import Final

import structlog

from nmstate_k8s.api.meta import OPERATOR_MANAGER
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import Conflict, Invalid, NotFound
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.domain.install.drift import holds
from nmstate_k8s.domain.install.foreign import adoption, is_foreign, must_be_made_anew
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

    async def _taken_over(self, manifest: Manifest) -> Object | None:
        """What is there, with all that other programs set in it written down as ours."""
        resource, (namespace, name) = manifest.resource, manifest.key
        try:
            found = await self._client.get(resource, name, namespace)
        except NotFound:
            return None
        if not is_foreign(found):
            return found
        log.info("taking over from another program", object=str(manifest))
        return await self._client.json_patch(resource, name, adoption(found), namespace=namespace)

    async def _apply(self, manifest: Manifest, found: Object | None) -> Object:
        try:
            return await self._client.apply(manifest.resource, manifest.body, field_manager=OPERATOR_MANAGER)
        except Invalid as error:
            if found is None or not must_be_made_anew(error):
                raise
            log.warning("making anew what cannot be changed", object=str(manifest), error=str(error))
        await self.remove(manifest.resource, found)
        return await self._client.apply(manifest.resource, manifest.body, field_manager=OPERATOR_MANAGER)
