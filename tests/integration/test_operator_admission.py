"""What the installed admission policies let through, on a real API server: by account, by node, by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from nmstate_k8s.api.crd import KINDS, custom_resource_definition
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ApiError, Forbidden, NotFound
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import SERVICE_ACCOUNTS
from nmstate_k8s.domain.install.render import render
from nmstate_k8s.domain.install.stack import InstallSettings, Stack
from nmstate_k8s.domain.kinds import CRDS, ENACTMENTS, NMSTATES, NODE_STATES, NODES, PODS, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of our own."""
    with ControlPlane.start() as started:
        yield started


@pytest_asyncio.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator, on a cluster where the stack is installed."""
    async with Client(plane.config) as client:
        for kind in KINDS:
            await client.apply(CRDS, custom_resource_definition(kind), field_manager="test")
        nmstate = Object.from_dict({"metadata": {"name": "nmstate", "uid": "none"}}, NMSTATES)
        for manifest in render(Stack.of(nmstate, NMStateSpec(), InstallSettings(handler_image="handler:1"))):
            body = {**manifest.body, "metadata": {**manifest.body["metadata"], "ownerReferences": []}}
            await client.apply(manifest.resource, body, field_manager="test")
        yield client


async def eventually(look: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> bool:
    """True, when `look` says so: admission policies work a moment after they were made."""
    async with asyncio.timeout(seconds):
        while True:
            if await look():
                return True
            await asyncio.sleep(0.05)


async def token(admin: Client, account: str, *, pod: Object | None = None) -> str:
    """A token of a service account, bound to a pod if there is one."""
    spec: dict[str, Any] = {"expirationSeconds": 3600}
    if pod is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
    path = SERVICE_ACCOUNTS.path(account, "nmstate", "token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await admin.request("POST", path, request)
    return str(Object(answer).to_dict()["status"]["token"])


async def a_node(admin: Client, name: str) -> Object:
    """A Node with a handler pod on it."""
    await admin.apply(NODES, {"metadata": {"name": name}}, field_manager="test")
    spec = {
        "nodeName": name,
        "serviceAccountName": "nmstate-handler",
        "containers": [{"name": "handler", "image": "handler:1"}],
    }
    return await admin.apply(
        PODS, {"metadata": {"name": f"handler-{name}", "namespace": "nmstate"}, "spec": spec}, field_manager="test"
    )


@pytest.mark.asyncio
async def test_a_node_writes_what_is_its_own(plane: ControlPlane, admin: Client) -> None:
    """The token of a handler's pod writes the objects of its node; of another node, or without a node: refused."""
    for node in ("node1", "node1.b"):
        body = {"metadata": {"name": f"{node}.p", "labels": {"nmstate.io/node": node}}}
        await admin.apply(ENACTMENTS, body, field_manager="test")
    pod = await a_node(admin, "node1")
    bound = plane.config_with_token(await token(admin, "nmstate-handler", pod=pod))
    unbound = plane.config_with_token(await token(admin, "nmstate-handler"))

    async def writes(config: ClusterConfig, node: str) -> list[str]:
        """Which of the writes of a handler succeed."""
        body = {"metadata": {"name": node}}
        enactment = {"metadata": {"name": f"{node}.p"}, "status": {"policyGeneration": 1}}
        done = []
        async with Client(config) as client:
            for what, write in (
                ("state", client.apply(NODE_STATES, body, field_manager="nmstate-handler")),
                (
                    "state's status",
                    client.apply(
                        NODE_STATES,
                        {**body, "status": {"handlerNmstateVersion": "2"}},
                        field_manager="nmstate-handler",
                        subresource="status",
                    ),
                ),
                (
                    "enactment's status",
                    client.apply(ENACTMENTS, enactment, field_manager="nmstate-handler", subresource="status"),
                ),
            ):
                with suppress(Forbidden, NotFound):
                    await write
                    done.append(what)
        return done

    async def enforced() -> bool:
        return await writes(unbound, "node1") == []

    assert await eventually(enforced)
    assert await writes(bound, "node1") == ["state", "state's status", "enactment's status"]
    assert await writes(bound, "node1.b") == []
    async with Client(bound) as client:
        for refused in (
            client.merge_patch(ENACTMENTS, "node1.p", {"metadata": {"labels": {"nmstate.io/node": "node2"}}}),
            client.delete(ENACTMENTS, "node1.p"),
            client.delete(NODE_STATES, "node1"),
            client.merge_patch(NODES, "node1", {"metadata": {"labels": {"a": "b"}}}),
            client.list(PODS, "nmstate"),
        ):
            with pytest.raises(Forbidden):
                await refused


@pytest.mark.asyncio
async def test_names_and_selectors_of_policies_are_labels(admin: Client) -> None:
    """Refused at `kubectl apply`, with the field: what could not be written as a label."""

    async def refused(name: str, **selector: str) -> bool:
        body = {"metadata": {"name": name}, "spec": {"nodeSelector": selector}}
        try:
            await admin.create(POLICIES, body)
        except ApiError as error:
            return "label" in str(error) or "nodeSelector" in str(error)
        await admin.delete(POLICIES, name)
        return False

    assert await eventually(lambda: refused("x" * 64))
    assert await refused("fine", zone="not a label value")
    assert not await refused("fine", zone="")
    assert not await refused("x" * 63)
