"""From the Go system, in place: operator, controller and handlers find what it left, and no node's network changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from nmstate_k8s.api.conditions import NMStatePhase, PolicyPhase, policy_phase
from nmstate_k8s.api.enactment import Enactment
from nmstate_k8s.api.policy import Policy
from nmstate_k8s.apps.node_settings import NodeSettings
from nmstate_k8s.apps.run_node import run
from nmstate_k8s.apps.settings import Environment
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.drift import holds
from nmstate_k8s.domain.install.foreign import adoption, is_foreign
from nmstate_k8s.domain.install.stack import Manifest
from nmstate_k8s.domain.kinds import DAEMONSETS, DEPLOYMENTS, ENACTMENTS, PODS, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.host import FakeHost
from tests.integration.gosystem import NODES_OF, POLICIES_OF, leave_behind, old_kinds
from tests.integration.installkit import (
    account_token,
    apply_install_yaml,
    create_nmstate,
    eventually,
    in_phase,
    live,
    manifests,
    operator,
    pods_run,
)
from tests.integration.rolloutkit import controller

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

Objects = Mapping[str, Object]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of our own, with the Go system's kinds."""
    with ControlPlane.start() as started:
        old_kinds(started)
        yield started


async def policies(admin: Client) -> Objects:
    """All policies by name."""
    return {one.name: one for one in (await admin.list(POLICIES)).items}


async def enactments(admin: Client) -> Objects:
    """All enactments by name."""
    return {one.name: one for one in (await admin.list(ENACTMENTS)).items}


async def is_ours(admin: Client, manifest: Manifest) -> bool:
    """Whether an object is what we ask for, with nothing of the old system's left in it."""
    found = await live(admin, manifest)
    return holds(manifest.body, found.to_dict()) and not is_foreign(found) and b"hostPID" not in found.raw


@asynccontextmanager
async def handler(plane: ControlPlane, admin: Client, node: str, host: FakeHost, folder: Path) -> AsyncIterator[None]:
    """Our handler on a node, with a token that is bound to its pod there."""
    pod = await admin.get(PODS, f"handler-{node}", "nmstate")
    told = {
        "NODE_NAME": node,
        "NMSTATE_INSTANCE_NODE_LOCK_FILE": str(folder / node / "lock"),
        "HEALTH_ADDRESS": "127.0.0.1:0",
        "NMSTATE_HOST_ROOT": str(folder / node / "root"),
    }
    (folder / node).mkdir()
    token = await account_token(admin, "nmstate-handler", pod=pod)
    settings = NodeSettings.from_environment(Environment(told))
    running = asyncio.ensure_future(run(settings, plane.config_with_token(token), host, signals=False))
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_takeover_that_was_broken_off_is_ended(plane: ControlPlane, admin: Client) -> None:
    """What was written down as ours and not taken away yet goes when the operator starts again.

    The object was as we ask for already, but for one field more.
    """
    apply_install_yaml(plane)
    nmstate = await create_nmstate(admin)
    (wanted,) = (one for one in manifests(nmstate) if one.resource == DAEMONSETS)
    whole = {**wanted.body, "spec": {**wanted.body["spec"]}}
    template = whole["spec"]["template"]
    whole["spec"]["template"] = {**template, "spec": {**template["spec"], "hostPID": True}}
    found = await admin.create(DAEMONSETS, whole, field_manager="manager")
    assert is_foreign(found)
    await admin.json_patch(DAEMONSETS, found.name, adoption(found), namespace=found.namespace)
    async with operator(plane, admin):
        assert await eventually(partial(is_ours, admin, wanted), seconds=60)


async def test_the_go_system_is_taken_over(plane: ControlPlane, admin: Client, tmp_path: Path) -> None:
    """No policy is lost or changed, every enactment is taken over, nothing is applied to any node."""
    nmstate = await leave_behind(admin)
    before, results = await policies(admin), await enactments(admin)
    assert set(before) == set(POLICIES_OF)
    apply_install_yaml(plane)
    hosts = {node: FakeHost() for node in NODES_OF}
    async with operator(plane, admin), AsyncExitStack() as programs:
        await in_phase(admin, NMStatePhase.DEPLOYING)
        for manifest in manifests(nmstate):
            assert await eventually(partial(is_ours, admin, manifest), seconds=60)

        async def without_the_rest() -> bool:
            return [one.name for one in (await admin.list(DEPLOYMENTS, "nmstate")).items if "cert" in one.name] == []

        assert await eventually(without_the_rest)
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)

        token = await account_token(admin, "nmstate-controller")
        await programs.enter_async_context(controller(plane.config_with_token(token), "nmstate"))
        for node, host in hosts.items():
            await programs.enter_async_context(handler(plane, admin, node, host, tmp_path))

        async def taken_over() -> bool:
            found = await enactments(admin)
            fits = [one.view(Enactment) for name, one in found.items() if name.endswith(".fits")]
            return all(one.spec is not None and one.status.boot_id for one in fits)

        assert await eventually(taken_over, seconds=60)

        async def summed_up() -> bool:
            after = await policies(admin)
            return (
                policy_phase(after["fits"].view(Policy).status.conditions) is PolicyPhase.AVAILABLE
                and after["fits"].view(Policy).status.observed_generation == after["fits"].metadata.generation
                and policy_phase(after["failed"].view(Policy).status.conditions) is PolicyPhase.DEGRADED
            )

        assert await eventually(summed_up, seconds=60)
    after, told = await policies(admin), await enactments(admin)
    assert {name: (one.uid, one.to_dict()["spec"], one.metadata.generation) for name, one in after.items()} == {
        name: (one.uid, one.to_dict()["spec"], one.metadata.generation) for name, one in before.items()
    }
    assert {name: one.uid for name, one in told.items()} == {name: one.uid for name, one in results.items()}
    for name, one in told.items():
        assert [owner.kind for owner in one.metadata.owner_references] == ["Node"], name
    assert {node: host.calls.count("apply") for node, host in hosts.items()} == dict.fromkeys(NODES_OF, 0)
    assert all("diff" in host.calls for host in hosts.values())
