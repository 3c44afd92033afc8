"""What the NMState says while its pods do not work: on a real API server, with the operator's own rights.

The tests write what scheduler and kubelets would write of pods.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from nmstate_k8s.api.conditions import NMStatePhase
from nmstate_k8s.api.nmstate import NMState
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import DAEMONSETS, DEPLOYMENTS, NMSTATES, NODES, PODS
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.installkit import create_nmstate, eventually, in_phase, operator, pods_run

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

NODE = "health-1"
POD = "handler-health"


@pytest_asyncio.fixture
async def deploying(plane: ControlPlane, admin: Client) -> AsyncIterator[Client]:
    """An installation of which all runs but the handler on one node, which has a pod."""
    await admin.create(NODES, {"metadata": {"name": NODE}})
    await admin.merge_patch(NODES, NODE, {"spec": {"taints": None}})  # a new node is taken for one that is not Ready
    async with operator(plane, admin):
        await create_nmstate(admin)
        handler = await eventually(lambda: admin.get(DAEMONSETS, "nmstate-handler", "nmstate"))
        await eventually(lambda: admin.get(DEPLOYMENTS, "nmstate-webhook", "nmstate"))
        await pods_run(admin)
        await in_phase(admin, NMStatePhase.AVAILABLE)
        template = handler.to_dict()["spec"]["template"]
        container = {"name": "nmstate-handler", "image": "handler:1"}
        await admin.create(
            PODS,
            {
                "metadata": {"name": POD, "namespace": "nmstate", "labels": template["metadata"]["labels"]},
                "spec": {"nodeName": NODE, "serviceAccountName": "nmstate-handler", "containers": [container]},
            },
        )
        await counted(admin, available=0)
        yield admin
        await admin.request("DELETE", PODS.path(POD, "nmstate"), {"gracePeriodSeconds": 0})
        await admin.delete(NODES, NODE)


async def counted(admin: Client, *, available: int) -> None:
    """What the DaemonSet's controller says."""
    await admin.merge_patch(
        DAEMONSETS, "nmstate-handler", {"status": {"numberAvailable": available}}, namespace="nmstate",
        subresource="status",
    )  # fmt: skip


async def reported(admin: Client, *, ready: bool = False, since: datetime | None = None, **container: Any) -> None:
    """What the kubelet says of the pod."""
    moment = (since or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": moment}],
        "containerStatuses": [
            {"name": "nmstate-handler", "image": "handler:1", "imageID": "", "ready": ready, "restartCount": 0}
            | container
        ],
    }
    await admin.merge_patch(PODS, POD, {"status": status}, namespace="nmstate", subresource="status")


async def says(admin: Client, words: str) -> Object:
    """The NMState, when its message has these words."""

    async def look() -> Object | None:
        found = await admin.get(NMSTATES, "nmstate")
        messages = {one.type: one.message for one in found.view(NMState).status.conditions if one.status == "True"}
        return found if words in messages.get("Progressing", "") else None

    return await eventually(look)


async def test_the_nmstate_says_why_a_handler_does_not_work(deploying: Client) -> None:
    """One cause after the other, as the pod's status tells it; and nothing any more when it works."""
    where = f"DaemonSet nmstate/nmstate-handler: available on 0 of 1 nodes (on {NODE}: "
    missing = {"waiting": {"reason": "ErrImagePull", "message": "handler:1: not found"}}
    await reported(deploying, state=missing)
    await says(deploying, f"{where}the image handler:1 cannot be pulled: handler:1: not found; see that the registry")
    last = {"terminated": {"exitCode": 1, "reason": "Error", "message": "NODE_NAME is not set"}}
    again = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
    await reported(deploying, state=again, lastState=last)
    await says(deploying, f"{where}the program ended (exit code 1): NODE_NAME is not set; see `kubectl logs -n nmstate")
    await reported(deploying, state={"running": {}}, since=datetime.now(UTC) - timedelta(minutes=5))
    await says(deploying, f"{where}it runs and is not ready; see `kubectl logs -n nmstate {POD}`)")

    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    await deploying.merge_patch(NODES, NODE, {"spec": {"taints": [taint]}})
    await says(deploying, f"{where}the node is not Ready, so nothing of it works; see `kubectl describe node {NODE}`)")

    await deploying.merge_patch(NODES, NODE, {"spec": {"taints": None}})
    await reported(deploying, ready=True, state={"running": {}})
    await counted(deploying, available=1)
    await in_phase(deploying, NMStatePhase.AVAILABLE)


async def test_the_hosts_network_is_taken_and_given_back(deploying: Client) -> None:
    """A real API server's defaults (a port of the host for each) are no drift, and nothing of it stays behind."""

    async def written() -> list[str]:
        found = await deploying.get(DEPLOYMENTS, "nmstate-webhook", "nmstate")
        pod = found.to_dict()["spec"]["template"]["spec"]
        return [f"{one.get('hostPort')}" for one in pod["containers"][0]["ports"]] if pod.get("hostNetwork") else []

    async def version() -> str:
        return str((await deploying.get(DEPLOYMENTS, "nmstate-webhook", "nmstate")).metadata.generation)

    await deploying.merge_patch(NMSTATES, "nmstate", {"spec": {"hostNetwork": True}})
    assert await eventually(written) == ["28081", "8089", "28443"]
    settled = await version()
    await reported(deploying, state={"waiting": {"reason": "ErrImagePull", "message": "looked again"}})
    await says(deploying, "looked again")
    assert await version() == settled
    await deploying.merge_patch(NMSTATES, "nmstate", {"spec": {"hostNetwork": False}})

    async def given_back() -> bool:
        spec = (await deploying.get(DEPLOYMENTS, "nmstate-webhook", "nmstate")).to_dict()["spec"]
        pod = spec["template"]["spec"]
        ports = [one for one in pod["containers"][0]["ports"] if "hostPort" in one]
        return not pod.get("hostNetwork") and not ports and spec["strategy"]["rollingUpdate"]["maxSurge"] == 1

    assert await eventually(given_back)
