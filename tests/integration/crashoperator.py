"""Crash scenarios of the operator: an installation is made, changed, disturbed and taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from nmstate_k8s.api.conditions import NMStatePhase
from nmstate_k8s.api.meta import APP, APP_LABEL, OPERATOR_LEASE, OPERATOR_MANAGER
from nmstate_k8s.api.nmstate import NMState
from nmstate_k8s.apps.run_operator import managed
from nmstate_k8s.apps.settings import OperatorSettings
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.events import EVENTS
from nmstate_k8s.core.leaderelection import LEASES
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.drift import holds
from nmstate_k8s.domain.install.kinds import CLUSTER_ROLES, NAMESPACES
from nmstate_k8s.domain.install.render import installed_kinds, render
from nmstate_k8s.domain.install.stack import Stack
from nmstate_k8s.domain.kinds import CRDS, DAEMONSETS, DEPLOYMENTS, NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.crashaudit import Watched
from nmstate_k8s.testing.crashplan import undisturbed
from tests.integration.installkit import SETTINGS as FROM_ENVIRONMENT
from tests.integration.installkit import collect_garbage, create_nmstate, eventually, in_phase, pods_run
from tests.integration.installkit import live as live_object

NAMESPACE: Final = "nmstate"
SETTINGS: Final = replace(FROM_ENVIRONMENT, health_address="")
NEWER: Final = replace(SETTINGS, install=replace(SETTINGS.install, handler_image="handler:2"))
LABELLED: Final = f"{APP_LABEL}={APP}"
ACCOUNT: Final = f"system:serviceaccount:{NAMESPACE}:nmstate-operator"


async def live(client: Client) -> None:
    """The operator, as its program runs it."""
    await managed(client, SETTINGS).run(signals=False)


async def live_newer(client: Client) -> None:
    """Its next release, with another image."""
    await managed(client, NEWER).run(signals=False)


Story = Callable[["Site"], Awaitable[None]]


@dataclass(frozen=True)
class Site:
    """The administrator, and what the operator is told to install."""

    admin: Client
    settings: OperatorSettings

    async def installed(self, name: str = "nmstate") -> None:
        """Wait until everything is as it ought to be, let the pods run, and wait for the operator's word."""
        nmstate = await self.admin.get(NMSTATES, name)
        stack = Stack.of(nmstate, nmstate.view(NMState).spec, self.settings.install)
        wanted = render(stack)

        async def so() -> bool:
            there = [await live_object(self.admin, each) for each in wanted]
            return all(holds(each.body, found.to_dict()) for each, found in zip(wanted, there, strict=True))

        await eventually(so)
        await in_phase(self.admin, NMStatePhase.DEPLOYING, name)
        await pods_run(self.admin)
        await in_phase(self.admin, NMStatePhase.AVAILABLE, name)


class OperatorWorld:
    """An installation's story."""

    agent = OPERATOR_MANAGER

    def __init__(self, config: ClusterConfig, site: Site, story: Story) -> None:
        self.config = config
        self.program = f"{__name__}:{'live_newer' if site.settings is NEWER else 'live'}"
        self._site = site
        self._story = story
        plain = Stack.of(Object.from_dict({"metadata": {"name": ""}}, NMSTATES), NMState().spec, SETTINGS.install)
        self.watched = (
            Watched(NMSTATES),
            *(Watched(resource, namespace, LABELLED) for resource, namespace in installed_kinds(plain)),
        )

    async def live(self, client: Client) -> None:
        await managed(client, self._site.settings).run(signals=False)

    async def story(self) -> None:
        try:
            await self._story(self._site)
        except TimeoutError:
            raise AssertionError("the operator did not do its part in time") from None


@dataclass(frozen=True)
class OperatorScenario:
    """A story, and one that was told before it, undisturbed, with the settings of that time."""

    plane: ControlPlane
    name: str
    story: Story
    before: Story | None = None
    settings: OperatorSettings = SETTINGS

    @asynccontextmanager
    async def world(self) -> AsyncIterator[OperatorWorld]:
        config = self.plane.config_for(ACCOUNT)
        async with Client(self.plane.config) as admin:
            try:
                if self.before is not None:
                    await undisturbed(OperatorWorld(config, Site(admin, SETTINGS), self.before))
                yield OperatorWorld(config, Site(admin, self.settings), self.story)
            finally:
                await _clean(admin)


async def _clean(admin: Client) -> None:
    """As if nothing were installed by the operator. CRDs stay, as somebody else's: he makes them his own again."""
    for nmstate in (await admin.list(NMSTATES)).items:
        await admin.delete(NMSTATES, nmstate.name)
    any_one = Object.from_dict({"metadata": {"name": "nmstate", "uid": "none"}}, NMSTATES)
    await collect_garbage(admin, any_one)
    for crd in (await admin.list(CRDS, label_selector=LABELLED)).items:
        await admin.merge_patch(CRDS, crd.name, {"metadata": {"labels": {APP_LABEL: None}}})
    await admin.apply(NAMESPACES, {"metadata": {"name": NAMESPACE}}, field_manager=OPERATOR_MANAGER)
    with suppress(NotFound):
        await admin.delete(LEASES, OPERATOR_LEASE, NAMESPACE)
    await admin.delete_collection(EVENTS, "default")


def scenarios(plane: ControlPlane) -> list[OperatorScenario]:
    """All of them."""
    return [
        OperatorScenario(plane, "operator installs", _install),
        OperatorScenario(plane, "operator is upgraded", Site.installed, before=_install, settings=NEWER),
        OperatorScenario(plane, "NMState is changed", _change, before=_install),
        OperatorScenario(plane, "managed objects are deleted and edited", _disturb, before=_install),
        OperatorScenario(plane, "a second NMState is made", _second, before=_install),
        OperatorScenario(plane, "NMState is deleted", _uninstall, before=_install),
        OperatorScenario(plane, "NMState is deleted and made anew", _made_anew, before=_install),
    ]


async def _install(site: Site) -> None:
    await create_nmstate(site.admin)
    await site.installed()


async def _change(site: Site) -> None:
    spec = {"nodeSelector": {"net": "yes"}, "logLevel": "debug"}
    await site.admin.merge_patch(NMSTATES, "nmstate", {"spec": spec})
    await site.installed()


async def _disturb(site: Site) -> None:
    admin = site.admin
    await admin.delete(CLUSTER_ROLES, "nmstate-controller")
    await admin.merge_patch(DEPLOYMENTS, "nmstate-webhook", {"spec": {"replicas": 7}}, namespace=NAMESPACE)
    added = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "X", "value": "y"}}]
    await admin.json_patch(DAEMONSETS, "nmstate-handler", added, namespace=NAMESPACE)
    await site.installed()


async def _second(site: Site) -> None:
    await create_nmstate(site.admin, "second")  # of one second, names decide: nmstate was first in any case

    async def gone() -> bool:
        return [each.name for each in (await site.admin.list(NMSTATES)).items] == ["nmstate"]

    await eventually(gone)


async def _uninstall(site: Site) -> None:
    nmstate = await site.admin.get(NMSTATES, "nmstate")
    await site.admin.delete(NMSTATES, "nmstate")
    await collect_garbage(site.admin, nmstate)

    async def led() -> bool:  # or there would be nobody who could make something again
        lease = (await site.admin.get(LEASES, OPERATOR_LEASE, NAMESPACE)).to_dict()
        return bool(lease["spec"]["holderIdentity"])

    await eventually(led)


async def _made_anew(site: Site) -> None:
    first = await site.admin.get(NMSTATES, "nmstate")
    await site.admin.delete(NMSTATES, "nmstate")
    await create_nmstate(site.admin)

    async def told() -> bool:
        conditions = (await site.admin.get(NMSTATES, "nmstate")).view(NMState).status.conditions
        return any("earlier NMState" in one.message for one in conditions)

    await eventually(told)
    await collect_garbage(site.admin, first)
    await site.installed()
