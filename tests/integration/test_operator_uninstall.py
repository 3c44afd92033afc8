"""The installation is taken away, on a cluster whose garbage is collected and whose pods come and go.

One of the two nodes is dead: its kubelet says nothing, so its pods never end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
import pytest_asyncio

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import NAMESPACES
from nmstate_k8s.domain.install.stack import Manifest
from nmstate_k8s.domain.kinds import CRDS, DAEMONSETS, NMSTATES, NODES, PODS, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.controllermanager import Kubelets, controller_manager
from tests.integration.installkit import apply_install_yaml, create_nmstate, eventually, manifests, operator

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

OURS = "app=kubernetes-nmstate"
OUTLIVING = (CRDS, NAMESPACES)
LINUX = {"kubernetes.io/os": "linux"}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane with install.yaml applied, and controllers that are at work on it."""
    with ControlPlane.start() as started, controller_manager(started):
        apply_install_yaml(started)
        yield started


@pytest_asyncio.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator of a cluster of two nodes, each of which runs pods."""
    async with Client(plane.config) as client:
        for name in ("alive", "dying"):
            await client.apply(NODES, {"metadata": {"name": name, "labels": LINUX}}, field_manager="test")
        yield client
        for left in (await client.list(NMSTATES)).items:
            await client.delete(NMSTATES, left.name)
        await client.delete_collection(NODES)


@asynccontextmanager
async def kubelets(admin: Client) -> AsyncIterator[Kubelets]:
    """Both nodes are alive, until they are taken out."""
    kubelet = Kubelets(admin, "alive", "dying")
    running = asyncio.create_task(kubelet.run())
    try:
        yield kubelet
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def handlers(admin: Client) -> dict[str, Object]:
    """The handlers' pods that are not ending, by node."""
    pods = (await admin.list(PODS, "nmstate", "component=kubernetes-nmstate-handler")).items
    return {pod.to_dict()["spec"].get("nodeName"): pod for pod in pods if pod.metadata.deletion_timestamp is None}


async def on_both_nodes(admin: Client) -> bool:
    """Whether a handler is bound to each of the nodes."""
    return set(await handlers(admin)) == {"alive", "dying"}


async def gone(admin: Client, wanted: tuple[Manifest, ...]) -> bool:
    """Whether nothing of an installation is left that is to go with it."""
    for manifest in wanted:
        if manifest.resource in OUTLIVING:
            continue
        with suppress(NotFound):
            await admin.get(manifest.resource, manifest.key.name, manifest.key.namespace)
            return False
    return True


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_an_uninstallation_ends_also_with_a_dead_node(
    plane: ControlPlane, admin: Client, propagation: str
) -> None:
    """The NMState and all that it stands for go, and so do the pods of nodes that are alive; policies stay.

    Installed again, the dead node's old pod is not waited for.
    """
    async with operator(plane, admin), kubelets(admin) as kubelet:
        nmstate = await create_nmstate(admin)
        await eventually(lambda: on_both_nodes(admin), seconds=60)
        await admin.apply(POLICIES, {"metadata": {"name": "kept"}, "spec": {"desiredState": {}}}, field_manager="test")

        kubelet.alive.remove("dying")
        await admin.delete(NMSTATES, "nmstate", propagation=propagation)

        async def nothing_left() -> bool:
            alive = [one.name for one in (await admin.list(NMSTATES)).items]
            pods = (await admin.list(PODS, "nmstate", OURS)).items
            nodes = {pod.to_dict()["spec"].get("nodeName") for pod in pods}
            return not alive and nodes <= {"dying"} and await gone(admin, manifests(nmstate))

        assert await eventually(nothing_left, seconds=120)  # the collector looks for new kinds every 30 s
        assert (await admin.get(POLICIES, "kept")).uid

        second = await create_nmstate(admin)

        async def again() -> bool:
            found = await admin.get(DAEMONSETS, "nmstate-handler", "nmstate")
            return [owner.uid for owner in found.metadata.owner_references] == [second.uid]

        assert await eventually(again, seconds=60)
        assert await eventually(lambda: _on(admin, "alive"), seconds=60)


async def _on(admin: Client, node: str) -> bool:
    return node in await handlers(admin)
