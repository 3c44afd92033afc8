"""Installations for the operator's tests: what a user does, and what Kubernetes' own controllers would do.

There are none of those here: nothing is garbage collected, no pod runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import yaml

from nmstate_k8s.api.conditions import NMStatePhase, nmstate_phase
from nmstate_k8s.api.nmstate import NMState
from nmstate_k8s.apps.run_operator import installation
from nmstate_k8s.apps.settings import Environment, OperatorSettings
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import SERVICE_ACCOUNTS
from nmstate_k8s.domain.install.render import render
from nmstate_k8s.domain.install.stack import Manifest, Stack
from nmstate_k8s.domain.install.surroundings import UNKNOWN, Surroundings
from nmstate_k8s.domain.kinds import DAEMONSETS, DEPLOYMENTS, NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = OperatorSettings.from_environment(
    Environment({"RELATED_IMAGE_HANDLER_IMAGE": "handler:1", "NNCP_MAX_RETRIES": "3", "POD_NAME": "operator-0"})
)
T = TypeVar("T")


def apply_install_yaml(plane: ControlPlane) -> None:
    """As a user would."""
    for body in yaml.safe_load_all((ROOT / "install.yaml").read_text()):
        plane.call("PATCH", f"{_path(body)}?fieldManager=user&force=true", body)


def _path(body: dict[str, Any]) -> str:
    group = "/apis/" if "/" in body["apiVersion"] else "/api/"
    kind, metadata = body["kind"], body["metadata"]
    namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    plural = f"{kind.lower().removesuffix('y')}ies" if kind.endswith("y") else f"{kind.lower()}s"
    return f"{group}{body['apiVersion']}{namespace}/{plural}/{metadata['name']}"


async def account_token(admin: Client, account: str, *, pod: Object | None = None) -> str:
    """A token of one of our accounts, bound to a pod if there is one."""
    spec: dict[str, Any] = {"expirationSeconds": 3600}
    if pod is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
    path = SERVICE_ACCOUNTS.path(account, "nmstate", "token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await admin.request("POST", path, request)
    return str(Object(answer).to_dict()["status"]["token"])


async def collect_garbage(admin: Client, nmstate: Object) -> None:
    """What Kubernetes does with the objects of an NMState that was deleted."""
    for manifest in manifests(nmstate):
        if "ownerReferences" in manifest.body["metadata"]:
            with suppress(NotFound):
                await admin.delete(manifest.resource, manifest.key.name, manifest.key.namespace)


@asynccontextmanager
async def operator(plane: ControlPlane, admin: Client, settings: OperatorSettings = SETTINGS) -> AsyncIterator[None]:
    """An operator at work, as its own account."""
    token = await account_token(admin, "nmstate-operator")
    async with Client(plane.config_with_token(token)) as client:
        manager = Manager(client, grace_seconds=5)
        manager.add(installation(manager, settings))
        running = asyncio.create_task(manager.run(signals=False))
        try:
            yield
        finally:
            manager.stop()
            await running


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 20.0) -> T:
    """What `look` finds, when it finds something."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(NotFound):
                if found := await look():
                    return found
            await asyncio.sleep(0.05)


async def create_nmstate(admin: Client, name: str = "nmstate", **spec: Any) -> Object:
    return await admin.create(NMSTATES, {"metadata": {"name": name}, "spec": spec})


def manifests(
    nmstate: Object, settings: OperatorSettings = SETTINGS, around: Surroundings = UNKNOWN
) -> tuple[Manifest, ...]:
    """What ought to be there for an NMState."""
    return render(Stack.of(nmstate, nmstate.view(NMState).spec, settings.install), around)


async def live(admin: Client, manifest: Manifest) -> Object:
    return await admin.get(manifest.resource, manifest.key.name, manifest.key.namespace)


async def in_phase(admin: Client, phase: NMStatePhase, name: str = "nmstate") -> Object:
    """The NMState, when it is in that phase for its present generation."""

    async def look() -> Object | None:
        found = await admin.get(NMSTATES, name)
        status = found.view(NMState).status
        current = status.observed_generation == found.metadata.generation
        return found if current and nmstate_phase(status.conditions) is phase else None

    return await eventually(look)


async def pods_run(admin: Client, prefix: str = "") -> None:
    """What Kubernetes' controllers do when all pods of the stack are ready."""
    for resource, name, counts in (
        (DAEMONSETS, "nmstate-handler", ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")),
        (DEPLOYMENTS, "nmstate-webhook", ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")),
    ):
        name = f"{prefix}{name}"
        found = await admin.get(resource, name, "nmstate")
        status: dict[str, Any] = dict.fromkeys(counts, 1) | {"observedGeneration": found.metadata.generation}
        if resource == DAEMONSETS:
            status |= {"currentNumberScheduled": 1, "numberReady": 1, "numberMisscheduled": 0}
        await admin.merge_patch(resource, name, {"status": status}, namespace="nmstate", subresource="status")
