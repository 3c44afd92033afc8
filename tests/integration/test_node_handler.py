"""The node's handler on a real API server, with the rights of its account, on a host in memory."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_phase
from nmstate_k8s.api.enactment import Enactment, EnactmentStatus
from nmstate_k8s.api.meta import FORCE_REFRESH_LABEL
from nmstate_k8s.api.nodestate import NodeState
from nmstate_k8s.apps.node_settings import NodeSettings
from nmstate_k8s.apps.run_node import run
from nmstate_k8s.apps.settings import Environment
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.domain.enactment.naming import enactment_labels, enactment_name
from nmstate_k8s.domain.install.kinds import NAMESPACES
from nmstate_k8s.domain.kinds import ENACTMENTS, NODE_STATES, NODES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.host import FakeHost
from tests.integration.rolloutkit import grant, until

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]


class Site:
    """One node object, one host, and a handler that can be started and stopped."""

    def __init__(self, plane: ControlPlane, client: Client, folder: Path, account: str, node: str) -> None:
        self.plane, self.client, self.folder, self.account, self.node = plane, client, folder, account, node
        self.host = FakeHost()

    @asynccontextmanager
    async def handler(self, **environment: str) -> AsyncIterator[None]:
        """A handler of this node until the block ends."""
        settings = NodeSettings.from_environment(
            Environment(
                {
                    "NODE_NAME": self.node,
                    "NMSTATE_INSTANCE_NODE_LOCK_FILE": str(self.folder / "lock"),
                    "HEALTH_ADDRESS": "127.0.0.1:0",
                    "NMSTATE_HOST_ROOT": str(self.folder / "root"),
                    "PROBES": '{"timeoutSeconds": 3}',
                    **environment,
                }
            )
        )
        running = asyncio.ensure_future(run(settings, self.plane.config_for(self.account), self.host, signals=False))
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def admit(self, policy: str, generation: int, *interfaces: dict[str, Any]) -> None:
        """What the controller writes."""
        spec = {"policyGeneration": generation, "desiredState": {"interfaces": list(interfaces)}}
        body = {
            "metadata": {
                "name": enactment_name(self.node, policy),
                "labels": enactment_labels(self.node, policy),
                "annotations": {"nmstate.io/policy-uid": f"uid-of-{policy}"},
            },
            "spec": spec,
        }
        await self.client.apply(ENACTMENTS, body, field_manager="nmstate-controller")

    async def status(self, policy: str) -> EnactmentStatus:
        found = await self.client.get(ENACTMENTS, enactment_name(self.node, policy))
        return found.view(Enactment).status

    async def reach(self, policy: str, phase: EnactmentPhase, generation: int = 1) -> EnactmentStatus:
        """Wait for a phase of a generation."""

        async def there() -> EnactmentStatus | None:
            status = await self.status(policy)
            known = status.policy_generation == generation and enactment_phase(status.conditions) is phase
            return status if known else None

        return await until(there, f"{policy} is {phase}")

    async def report(self) -> NodeState | None:
        with suppress(NotFound):
            return (await self.client.get(NODE_STATES, self.node)).view(NodeState)
        return None

    def report_with(self, truncated: bool) -> Callable[[], Awaitable[NodeState | None]]:
        """For `until`: a report with a state that is, or is not, said to be truncated."""

        async def there() -> NodeState | None:
            found = await self.report()
            if found is None or found.status.current_state is None or bool(found.status.conditions) != truncated:
                return None
            return found

        return there


def mtu(site: Site, value: int) -> dict[str, Any]:
    return {"name": "eth1", "type": "ethernet", "state": "up", "mtu": value}


@pytest_asyncio.fixture
async def site(control_plane: ControlPlane, crds: list[str], client: Client, tmp_path: Path) -> AsyncIterator[Site]:
    name = f"n{uuid.uuid4().hex[:8]}"
    await client.apply(NAMESPACES, {"metadata": {"name": name}}, field_manager="test")
    account = (await grant(client, name)).replace("nmstate-controller", "nmstate-handler")
    await client.create(NODES, {"metadata": {"name": name}})
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}]}}
    await client.merge_patch(NODES, name, ready, subresource="status")
    made = Site(control_plane, client, tmp_path, account, name)
    yield made
    for item in (await client.list(ENACTMENTS, label_selector=f"nmstate.io/node={name}")).items:
        await client.delete(ENACTMENTS, item.name)
    with suppress(NotFound):
        await client.delete(NODE_STATES, name)
    await client.delete(NODES, name)


async def test_a_policy_is_carried_out_and_the_node_reported(site: Site) -> None:
    """Status, report and owner as clients expect them, written with the node's own rights."""
    await site.admit("p1", 1, mtu(site, 1400))
    async with site.handler():
        status = await site.reach("p1", EnactmentPhase.AVAILABLE)
        assert status.desired_state == {"interfaces": [mtu(site, 1400)]}
        assert status.features == ("static-ip",)
        assert {probe.name: probe.result for probe in status.probes}["api-server"] == "Passed"
        assert {"apply", "commit"} <= set(status.timing)
        assert [condition.type for condition in status.conditions] == [
            "Progressing",
            "Failing",
            "Available",
            "Pending",
            "Aborted",
        ]

        async def reported() -> bool:
            found = await site.report()
            return found is not None and mtu(site, 1400) in found.status.current_state["interfaces"]

        await until(reported, "the report shows the change", 5)
    found = await site.client.get(NODE_STATES, site.node)
    assert [owner.kind for owner in found.metadata.owner_references] == ["Node"]
    assert found.view(NodeState).status.host_network_manager_version == "1.52.1"


async def test_a_missing_interface_is_retried_then_final(site: Site) -> None:
    """As often as NNCP_MAX_RETRIES says; another generation begins anew."""
    await site.admit("p1", 1, {"name": "eth666", "type": "ethernet", "state": "up"})
    async with site.handler(NNCP_MAX_RETRIES="2"):
        retrying = await site.reach("p1", EnactmentPhase.RETRYING)
        assert "Retrying 2/2" in "".join(condition.message for condition in retrying.conditions)
        failed = await site.reach("p1", EnactmentPhase.FAILED)
        assert failed.retry_count == {"1": 2}
        assert failed.failure is not None
        assert failed.failure.interface == "eth666"

        await site.admit("p1", 2, mtu(site, 1400))
        assert (await site.reach("p1", EnactmentPhase.AVAILABLE, 2)).retry_count == {}


async def test_a_state_that_is_too_deep_fails_for_good_and_holds_up_no_other(site: Site) -> None:
    """One that came while admission was away, deeper than Python reads by itself."""
    deep = msgspec.Raw(b'{"a":' * 2_000 + b"1" + b"}" * 2_000)
    await site.admit("deep", 1, {"name": "eth1", "type": deep})
    await site.admit("plain", 1, mtu(site, 1400))
    async with site.handler():
        failed = await site.reach("deep", EnactmentPhase.FAILED)
        assert failed.failure is not None
        assert failed.failure.reason == "TooLarge"
        assert "100 levels" in "".join(condition.message for condition in failed.conditions)
        await site.reach("plain", EnactmentPhase.AVAILABLE)


async def test_all_that_listens_is_on_the_loopback(site: Site) -> None:
    """A handler is root on its node's network: nothing of it is reached from outside."""
    before = _listening()
    await site.admit("p1", 1, mtu(site, 1400))
    async with site.handler():
        await site.reach("p1", EnactmentPhase.AVAILABLE)
        opened = _listening() - before
    assert len(opened) == 1, "health and metrics"
    assert all(address.partition(":")[0] == LOOPBACK for address in opened)


LOOPBACK = "0100007F"
"""127.0.0.1, as the kernel writes it."""


def _listening() -> set[str]:
    """Addresses and ports at which this process takes connections."""
    sockets = set[str]()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of this very look
            sockets.add(str(descriptor.readlink()))
    found = set[str]()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in sockets:
                found.add(local)
    return found


async def test_a_restart_writes_nothing(site: Site) -> None:
    """Neither the enactment nor the report of an unchanged node moves."""
    await site.admit("p1", 1, mtu(site, 1400))
    async with site.handler():
        await site.reach("p1", EnactmentPhase.AVAILABLE)

        async def reported() -> bool:
            found = await site.report()
            return found is not None and mtu(site, 1400) in found.status.current_state["interfaces"]

        await until(reported, "the report shows the change")
    before = [
        await site.client.get(ENACTMENTS, enactment_name(site.node, "p1")),
        await site.client.get(NODE_STATES, site.node),
    ]
    diffs = site.host.calls.count("diff")
    async with site.handler():

        async def looked() -> bool:
            return site.host.calls.count("diff") > diffs

        await until(looked, "the handler has looked at its policies")
        await asyncio.sleep(0.5)
    after = [
        await site.client.get(ENACTMENTS, enactment_name(site.node, "p1")),
        await site.client.get(NODE_STATES, site.node),
    ]
    assert [each.metadata.resource_version for each in after] == [each.metadata.resource_version for each in before]


async def test_a_report_is_refreshed_on_demand_and_made_anew(site: Site) -> None:
    """A label asks for it; a deletion as well."""
    async with site.handler():
        await until(site.report, "there is a report")
        site.host.state = {**site.host.state, "interfaces": [mtu(site, 9000)]}
        begun = time.monotonic()
        labels = {"metadata": {"labels": {FORCE_REFRESH_LABEL: "1"}}}
        await site.client.merge_patch(NODE_STATES, site.node, labels)

        async def refreshed() -> bool:
            found = await site.report()
            return found is not None and (found.status.current_state or {}).get("interfaces") == [mtu(site, 9000)]

        await until(refreshed, "the report is refreshed")
        assert time.monotonic() - begun < 3
        await site.client.delete(NODE_STATES, site.node)
        await until(refreshed, "the report is there again")


async def test_a_second_handler_waits_for_the_first(site: Site) -> None:
    """During a roll-out both exist for a moment; only one touches the node."""
    async with site.handler(), site.handler():
        await site.admit("p1", 1, mtu(site, 1400))
        await site.reach("p1", EnactmentPhase.AVAILABLE)
        await asyncio.sleep(0.3)
        assert site.host.calls.count("apply") == 1


async def test_a_state_that_is_too_large_for_etcd_is_reported_in_part(site: Site) -> None:
    """What fits, with the node's own rights; the condition says what does not; whole again when it is small again."""
    small = site.host.state
    each = {"next-hop-interface": "eth0", "next-hop-address": "192.0.2.1", "table-id": 254, "metric": 100}
    many = [{**each, "destination": f"10.{n // 250 % 250}.{n % 250}.0/24"} for n in range(40_000)]
    default = {**each, "destination": "0.0.0.0/0"}
    site.host.state = {**small, "routes": {"running": [*many, default], "config": []}}
    async with site.handler():
        report = await until(site.report_with(True), "a part is reported")
        running = report.status.current_state["routes"]["running"]
        assert 5_000 < len(running) < 40_000
        assert running[-1]["destination"] == "0.0.0.0/0"
        assert [found["name"] for found in report.status.current_state["interfaces"]] == ["eth0", "eth1"]
        (condition,) = report.status.conditions
        assert (condition.type, condition.status, condition.reason) == ("Truncated", "True", "TooLarge")
        assert f"{40_001 - len(running)} of 40001 entries of routes.running" in condition.message

        site.host.state = small
        label = {"metadata": {"labels": {FORCE_REFRESH_LABEL: "1"}}}
        await site.client.merge_patch(NODE_STATES, site.node, label)
        whole = await until(site.report_with(False), "all of it is reported")
        assert whole.status.current_state["routes"] == small["routes"]
