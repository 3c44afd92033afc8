"""The installation: an NMState made true, kept true, and judged.

Watches NMStates, every kind of object that it installs (those with our label), its pods and the nodes' taints. All of
them mean the same: look at the whole stack again. So there is one key, and ``reconcile`` is idempotent:

- The oldest NMState stays, later ones are deleted: two would fight over the same objects.
- What is missing or differs is applied, and what is not asked for any more is deleted; an installation as it ought
  to be costs one read and no write.
- Conditions say first that something is going on, then what does not work yet, then that all does.
- Deletion needs no finalizer: all that is to go is owned by the NMState, and the garbage collector takes it. It
  waits for nothing, however it was asked for: a pod on a dead node would hold it for ever.
- An NMState made anew begins when what belonged to the earlier one is gone. Taking it over half-way would leave
  pods alive whose service account has gone and come back, and with it the tokens that they hold.
"""

from __future__ import annotations

__all__ = [
    "LIST_SECONDS",
    "OPTIONAL_SECONDS",
    "STACK",
    "WAITING_SECONDS",
    "Cluster",
    "NMStateReconciler",
    "oldest_first",
    "taints_changed",
    "to_stack",
    "without_details",
]

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
import structlog

from nmstate_k8s.api.conditions import NMStatePhase, nmstate_conditions, nmstate_phase
from nmstate_k8s.api.events import SECOND_NMSTATE
from nmstate_k8s.api.meta import OPERATOR_MANAGER
from nmstate_k8s.api.model import to_json
from nmstate_k8s.api.nmstate import NMState, NMStateStatus
from nmstate_k8s.controllers.installed import Installed
from nmstate_k8s.controllers.installer import Installer
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.controller import Result
from nmstate_k8s.core.errors import ApiError, Conflict, NotFound, Throttled, Unavailable, UnknownKind
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.predicates import Predicate, changed
from nmstate_k8s.core.store import Store
from nmstate_k8s.domain.install.controller import NodeTaints, is_unready
from nmstate_k8s.domain.install.health import Pods, not_available
from nmstate_k8s.domain.install.network import api_ports
from nmstate_k8s.domain.install.podfacts import pod_facts
from nmstate_k8s.domain.install.render import installed_kinds, render
from nmstate_k8s.domain.install.stack import InstallSettings, Manifest, Stack
from nmstate_k8s.domain.install.surroundings import OPTIONAL, Surroundings, crd_name
from nmstate_k8s.domain.kinds import NMSTATES

STACK: Final = Key("", "stack")
"""The one key: whatever happened, the whole installation is looked at."""

LIST_SECONDS: Final = 0.5
"""How soon it is looked again at a kind whose first list is under way."""
OPTIONAL_SECONDS: Final = 3.0
"""The same of a kind that only some clusters have: the rest of the installation does not wait for it. It may never be
listed, where the cluster has it in another version."""

WAITING_SECONDS: Final = 30.0
"""How soon it is looked again at what is waited for, though nothing changes: that lasting is said, too."""

_PASSING = (
    Conflict,
    Throttled,
    Unavailable,
    UnknownKind,
)  # tried again without being told: nothing is wrong with the stack

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Recorder(Protocol):
    """Tells people of what happened."""

    def event(self, regarding: Object, type_: str, reason: str, note: str, action: str) -> None:
        """Record an event about an object; never waits."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The caches that tell what kind of cluster this is."""

    nodes: Store
    endpoints: Store
    """Of the API server."""
    definitions: Store
    """Every CRD that there is."""
    pods: Store
    """Those of the stack."""

    def surroundings(self) -> Surroundings:
        """What of it decides on what is installed."""
        return Surroundings(
            nodes=tuple(node.view(NodeTaints) for node in self.nodes.list()),
            api_ports=api_ports(self.endpoints.list()),
            served=frozenset(one for one in OPTIONAL if Key("", crd_name(one)) in self.definitions),
        )

    def pods_at(self, now: datetime) -> Pods:
        """The pods, which tell what the status of a Deployment or a DaemonSet does not."""
        unready = frozenset(node.name for node in self.nodes.list() if is_unready(node.view(NodeTaints)))
        return Pods([pod_facts(pod) for pod in self.pods.list()], unready, now)


class NMStateReconciler:
    """Makes the cluster hold what the oldest NMState asks for."""

    def __init__(
        self,
        client: Client,
        *,
        nmstates: Store,
        cluster: Cluster,
        installed: Installed,
        settings: InstallSettings,
        clock: Clock,
        recorder: Recorder,
    ) -> None:
        self._client = client
        self._nmstates = nmstates
        self._cluster = cluster
        self._installed = installed
        self._installer = Installer(client)
        self._settings = settings
        self._clock = clock
        self._recorder = recorder

    async def reconcile(self, key: Key) -> Result | None:  # there is one
        """Install what is asked for, and say how it stands."""
        for resource, held in tuple(self._installed.held()):
            await self._installer.let_go(resource, held)
        keeper, *surplus = oldest_first(self._nmstates.list()) or (None,)
        for extra in surplus:
            await self._remove(extra, keeper)
        nmstate = await self._current(keeper)
        if nmstate is None:
            return None
        if nmstate.view(NMState).status.observed_generation != nmstate.metadata.generation:
            nmstate = await self._report(nmstate, NMStatePhase.DEPLOYING, "Applying all objects")
        stack = Stack.of(nmstate, nmstate.view(NMState).spec, self._settings)
        around = self._cluster.surroundings()
        unknown = self._installed.follow(installed_kinds(stack, around))
        if not unknown <= set(OPTIONAL):
            return Result(requeue_after=LIST_SECONDS)
        around = replace(around, served=around.served - unknown)
        manifests = render(stack, around)
        if leaving := [str(one) for one in manifests if self._belongs_to_another(one, nmstate)]:
            going = f"Waiting until {len(leaving)} objects of an earlier NMState are gone, {leaving[-1]} among them"
            await self._report(nmstate, NMStatePhase.DEPLOYING, going)
            return None  # each one that goes is an event
        try:
            objects = [
                (manifest, await self._installer.ensure(manifest, self._installed.get(manifest)))
                for manifest in manifests
            ]
            for resource, found in () if unknown else tuple(self._installed.surplus(manifests, nmstate)):
                await self._installer.remove(resource, found)
        except _PASSING:
            raise
        except ApiError as error:
            await self._report(nmstate, NMStatePhase.ERROR, str(error))
            raise
        waiting = not_available(objects, self._cluster.pods_at(self._clock.now()))
        await self._report(nmstate, NMStatePhase.DEPLOYING if waiting else NMStatePhase.AVAILABLE, "; ".join(waiting))
        if unknown:
            return Result(requeue_after=OPTIONAL_SECONDS)
        return Result(requeue_after=WAITING_SECONDS) if waiting else None

    async def _remove(self, extra: Object, keeper: Object | None) -> None:
        """Delete an NMState that came after another one."""
        first = keeper.name if keeper else ""
        log.warning("deleting a second NMState", name=extra.name, keeping=first)
        note = f"only one NMState may exist, and {first} was there first"
        self._recorder.event(extra, *SECOND_NMSTATE.told(note))
        with suppress(NotFound, Conflict):  # gone, or another one of that name: an event will tell
            await self._client.delete(NMSTATES, extra.name, uid=extra.uid)

    async def _current(self, known: Object | None) -> Object | None:
        """The NMState as it is now, since its status is compared with and its generation answered."""
        if known is None:
            return None
        try:
            nmstate = await self._client.get(NMSTATES, known.name)
        except NotFound:
            return None
        gone = nmstate.uid != known.uid or nmstate.metadata.deletion_timestamp is not None
        return None if gone else nmstate

    def _belongs_to_another(self, manifest: Manifest, nmstate: Object) -> bool:
        """Whether it is there, and the garbage collector is about to take it."""
        found = self._installed.get(manifest)
        return found is not None and any(
            owner.kind == NMSTATES.kind and owner.uid != nmstate.uid for owner in found.metadata.owner_references
        )

    async def _report(self, nmstate: Object, phase: NMStatePhase, message: str = "") -> Object:
        """Write the status if it says something new; the NMState as it is then."""
        before = nmstate.view(NMState).status
        generation = nmstate.metadata.generation
        conditions = nmstate_conditions(
            phase, message, generation=generation, now=self._clock.now(), previous=before.conditions
        )
        status = NMStateStatus(observed_generation=generation, conditions=conditions)
        if status == before:
            return nmstate
        if nmstate_phase(before.conditions) is not phase:
            log.info("installation", phase=phase.value, message=message)
        body = {"metadata": {"name": nmstate.name, "uid": nmstate.uid}, "status": to_json(status)}
        try:
            return await self._client.apply(NMSTATES, body, field_manager=OPERATOR_MANAGER, subresource="status")
        except NotFound:  # deleted meanwhile: nobody is left to be told
            return nmstate


def oldest_first(nmstates: Iterable[Object]) -> list[Object]:
    """Those that are not being deleted, by age; names decide between those of one second."""
    alive = [one for one in nmstates if one.metadata.deletion_timestamp is None]
    return sorted(alive, key=lambda one: (str(one.metadata.creation_timestamp), one.name))


def to_stack(_: Object) -> Iterable[Key]:
    """Whatever it is, the installation is looked at."""
    return (STACK,)


taints_changed: Predicate = changed(lambda node: node.view(NodeTaints))
"""Whether a node's change can change how many controllers run: a heartbeat cannot."""


def without_details(node: Object) -> Object:
    """A Node with its taints and nothing else: the operator keeps all of them in memory."""
    whole = node.view(dict[str, msgspec.Raw])
    spec = node.view(NodeTaints).spec
    metadata: dict[str, Any] = {"name": node.name, "resourceVersion": node.metadata.resource_version}
    kept = {name: whole[name] for name in ("apiVersion", "kind") if name in whole}
    return node.with_raw(msgspec.json.encode({**kept, "metadata": metadata, "spec": spec}))
