"""What the token of a node's handler cannot do, on a real API server: by what is installed, and by admission alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from nmstate_k8s.api.crd import KINDS, custom_resource_definition
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import ApiError, Forbidden, Unauthorized
from nmstate_k8s.core.events import EVENTS
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS
from nmstate_k8s.domain.install.render import render
from nmstate_k8s.domain.install.stack import InstallSettings, Stack
from nmstate_k8s.domain.kinds import CRDS, ENACTMENTS, NMSTATES, NODE_STATES, NODES, PODS, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.hostilekit import HOSTILE, Holder, Hostile
from tests.integration.installkit import eventually

pytestmark = pytest.mark.apiserver
in_one_loop = pytest.mark.asyncio(loop_scope="module")

WATCHED = (NODE_STATES, ENACTMENTS, POLICIES, NMSTATES, NODES)
POLICY = "p"


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of our own."""
    with ControlPlane.start() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator, on a cluster where the stack is installed and three nodes have handlers."""
    async with Client(plane.config) as client:
        for kind in KINDS:
            await client.apply(CRDS, custom_resource_definition(kind), field_manager="test")
        nmstate = Object.from_dict({"metadata": {"name": "nmstate", "uid": "none"}}, NMSTATES)
        for manifest in render(Stack.of(nmstate, NMStateSpec(), InstallSettings(handler_image="handler:1"))):
            body = {**manifest.body, "metadata": {**manifest.body["metadata"], "ownerReferences": []}}
            await client.apply(manifest.resource, body, field_manager="test")
        await client.create(NMSTATES, {"metadata": {"name": "nmstate"}})
        await client.create(POLICIES, {"metadata": {"name": POLICY}})
        for node in ("mine", "other", "new"):
            await client.create(NODES, {"metadata": {"name": node}})
        for node in ("mine", "other"):
            await client.create(NODE_STATES, {"metadata": {"name": node}})
            await client.create(ENACTMENTS, enactment(f"{node}.p", node))
        await client.create(ENACTMENTS, enactment("nobody.p", ""))
        await client.create(ENACTMENTS, enactment("mine.fake", "other"))
        await client.create(EVENTS, event("of-other", "handler-other"))
        yield client


def enactment(name: str, node: str) -> dict[str, Any]:
    """One that says nothing yet."""
    return {"metadata": {"name": name, "labels": {"nmstate.io/node": node} if node else {}}}


def event(name: str, instance: str) -> dict[str, Any]:
    """What a handler tells."""
    return {
        "metadata": {"name": name, "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reason": "Configured",
        "action": "Configured",
        "note": "done",
        "reportingController": "nmstate-handler",
        "reportingInstance": instance,
        "regarding": {"kind": "Node", "name": "other"},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tokens(admin: Client) -> dict[Holder, str]:
    """By who holds it."""
    bound: dict[Holder, str] = {
        "mine": await token(admin, await handler(admin, "mine")),
        "new": await token(admin, await handler(admin, "new")),
        "unbound": await token(admin),
        "nowhere": await token(admin, await handler(admin, "")),
    }
    pod = await handler(admin, "other")
    bound["outlived"] = await token(admin, pod)
    await admin.delete(PODS, pod.name, "nmstate", grace_seconds=0)
    return bound


async def handler(admin: Client, node: str) -> Object:
    """A handler's pod."""
    spec = {"serviceAccountName": "nmstate-handler", "containers": [{"name": "handler", "image": "handler:1"}]}
    placed = {"nodeName": node} if node else {}
    metadata = {"name": f"handler-{node or 'nowhere'}", "namespace": "nmstate"}
    return await admin.create(PODS, {"metadata": metadata, "spec": spec | placed})


async def token(admin: Client, pod: Object | None = None) -> str:
    """A token of the handler's account, as the kubelet gets one for a pod."""
    spec: dict[str, Any] = {"expirationSeconds": 600}
    if pod is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await admin.request("POST", SERVICE_ACCOUNTS.path("nmstate-handler", "nmstate", "token"), body)
    return str(Object(answer).to_dict()["status"]["token"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def enforced(plane: ControlPlane, admin: Client, tokens: dict[Holder, str]) -> None:
    """Admission policies work a moment after they were made; these are the last of them."""
    unbound = plane.config_with_token(tokens["unbound"])

    async def refused() -> bool | None:
        async with Client(unbound) as client:
            answers = [
                await ask(lambda: client.create(EVENTS, event("early", "x"), dry_run=True)),
                await ask(lambda: client.merge_patch(NODE_STATES, "mine", {"status": {}}, subresource="status")),
            ]
        return all("ValidatingAdmissionPolicy" in answer for answer in answers) or None

    await eventually(refused)


async def ask(send: Callable[[], Any]) -> str:
    """What the server says against it; nothing if it does it."""
    try:
        await send()
    except ApiError as error:
        return str(error)
    return ""


async def versions(admin: Client) -> dict[str, str]:
    """Of all that there is to be harmed."""
    return {
        f"{resource.plural}/{each.name}": each.metadata.resource_version
        for resource in WATCHED
        for each in (await admin.list(resource)).items
    }


def test_there_are_forty_of_them() -> None:
    """Each under a name of its own."""
    assert len({each.name for each in HOSTILE}) == len(HOSTILE) >= 40


async def refusal(plane: ControlPlane, tokens: dict[Holder, str], hostile: Hostile) -> ApiError:
    async with Client(plane.config_with_token(tokens[hostile.holder])) as client:
        with pytest.raises((Forbidden, Unauthorized)) as caught:
            await hostile.send(client)
    return caught.value


@in_one_loop
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda each: each.name)
async def test_a_hostile_request_is_refused(
    plane: ControlPlane, admin: Client, tokens: dict[Holder, str], enforced: None, hostile: Hostile
) -> None:
    """And nothing is changed."""
    before = await versions(admin)
    await refusal(plane, tokens, hostile)
    assert await versions(admin) == before


@in_one_loop
async def test_a_handler_does_what_it_is_for(
    plane: ControlPlane, admin: Client, tokens: dict[Holder, str], enforced: None
) -> None:
    """It makes its NodeNetworkState, writes status, tells and counts events; its own enactment stays what it is."""
    owner = [{"apiVersion": "v1", "kind": "Node", "name": "new", "uid": (await admin.get(NODES, "new")).uid}]
    state = {"status": {"currentState": {"interfaces": []}}}
    async with Client(plane.config_with_token(tokens["new"])) as client:
        await client.create(NODE_STATES, {"metadata": {"name": "new", "ownerReferences": owner}})
        await client.merge_patch(NODE_STATES, "new", state, subresource="status")
    async with Client(plane.config_with_token(tokens["mine"])) as client:
        said = {
            "status": {"policyGeneration": 1},
            "metadata": {"labels": {"nmstate.io/node": "other"}},
            "spec": {"x": 1},
        }
        written = await client.merge_patch(ENACTMENTS, "mine.p", said, subresource="status")
        assert written.to_dict()["status"] == {"policyGeneration": 1}
        assert written.labels == {"nmstate.io/node": "mine"}
        assert "spec" not in written.to_dict()
        await client.create(EVENTS, event("of-mine", "handler-mine"))
        series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}
        await client.merge_patch(EVENTS, "of-mine", series, namespace="default")


@in_one_loop
async def test_a_role_too_many_does_not_open_the_door(
    plane: ControlPlane, admin: Client, tokens: dict[Holder, str], enforced: None
) -> None:
    """With all rights of an administrator a node's token still writes nothing of ours that is not its own."""
    subject = {"kind": "ServiceAccount", "name": "nmstate-handler", "namespace": "nmstate"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    await admin.create(
        CLUSTER_ROLE_BINDINGS, {"metadata": {"name": "too-many"}, "roleRef": role, "subjects": [subject]}
    )

    async def mighty() -> bool | None:
        async with Client(plane.config_with_token(tokens["mine"])) as client:
            return await ask(lambda: client.list(PODS, "nmstate")) == "" or None

    await eventually(mighty)
    before = await versions(admin)
    guarded = [each for each in HOSTILE if each.guarded]
    answers = await asyncio.gather(*(refusal(plane, tokens, each) for each in guarded))
    by_role = [each.name for each, answer in zip(guarded, answers, strict=True) if "cannot " in answer.message]
    assert by_role == []
    assert await versions(admin) == before
    await admin.delete(CLUSTER_ROLE_BINDINGS, "too-many")
