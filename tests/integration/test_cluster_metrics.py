"""The gauges about the cluster on a real API server: there soon, gone soon, with the rights of the account alone."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.metrics import METRICS
from nmstate_k8s.domain.kinds import ENACTMENTS, NODE_STATES, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.rolloutkit import Cluster, controller, grant, until

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def cluster(control_plane: ControlPlane, crds: list[str], client: Client) -> AsyncIterator[Cluster]:
    """A cluster whose controller runs, with the rights of its account and no others."""
    cluster = Cluster(client, f"t{uuid.uuid4().hex[:8]}")
    await cluster.prepare()
    account = await grant(client, cluster.namespace)
    async with controller(control_plane.config_for(account), cluster.namespace):
        yield cluster
    assert shown("policies_status", status="Available") is None, "a controller that has stopped leads nothing"
    await cluster.clean()


def shown(family: str, **labels: str) -> float | None:
    """What a scrape of this process sees."""
    family = family if family.startswith("nmstate") else f"kubernetes_nmstate_{family}"
    return METRICS.registry.get_sample_value(family, labels)


async def soon(family: str, expected: float | None, **labels: str) -> None:
    """Wait until a scrape sees it."""

    async def so() -> bool:
        return shown(family, **labels) == expected

    await until(so, f"{family}{labels} is {expected}")


async def test_features_come_and_go_with_the_enactments_that_have_them(cluster: Cluster) -> None:
    """There when a node has reported them, gone with the last enactment."""
    nodes = [f"{cluster.namespace}-{letter}" for letter in "ab"]
    for node in nodes:
        await cluster.add_node(node)
    feature = f"feature-{cluster.namespace}"
    await cluster.apply("featured", {"maxUnavailable": "100%"})
    for node in nodes:
        await cluster.admitted(node, "featured")
        await cluster.report(node, "featured", EnactmentPhase.AVAILABLE)
        status = {"status": {"features": [feature]}}
        await cluster.client.merge_patch(ENACTMENTS, f"{node}.featured", status, subresource="status")
    await soon("features_applied", 1.0, name=feature)
    for node in nodes:
        await soon("enactments_status", 1.0, node=node, status="Available")
    await cluster.phase("featured", PolicyPhase.AVAILABLE)
    await soon("nmstate_policy_status", 1.0, policy="featured", status="Available")
    await soon("nmstate_policy_nodes", 2.0, policy="featured", status="Available")
    assert (shown("policies_status", status="Available") or 0) >= 1
    await cluster.client.delete(POLICIES, "featured")
    await soon("features_applied", None, name=feature)
    for node in nodes:
        await soon("enactments_status", None, node=node, status="Available")
    await soon("nmstate_policy_status", None, policy="featured", status="Available")


async def test_interfaces_and_routes_are_those_of_the_reports(cluster: Cluster) -> None:
    """As they change, and gone with the report."""
    node = f"{cluster.namespace}-a"
    await cluster.add_node(node)
    await soon("nmstate_node_handler_up", 0.0, node=node)
    await cluster.client.create(NODE_STATES, {"metadata": {"name": node}})
    interfaces = [{"name": f"eth{number}", "type": "ethernet", "state": "up"} for number in range(3)]
    routes = [{"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "192.0.2.1"}]
    state = {"interfaces": interfaces, "routes": {"running": routes, "config": []}}
    status = {"status": {"currentState": state}}
    await cluster.client.merge_patch(NODE_STATES, node, status, subresource="status")
    await soon("network_interfaces", 3.0, type="ethernet", node=node)
    await soon("routes", 1.0, node=node, ip_stack="ipv4", type="dynamic")
    state["routes"] = {"running": routes, "config": routes}
    await cluster.client.merge_patch(NODE_STATES, node, status, subresource="status")
    await soon("routes", 1.0, node=node, ip_stack="ipv4", type="static")
    assert shown("routes", node=node, ip_stack="ipv4", type="dynamic") is None
    await cluster.client.delete(NODE_STATES, node)
    await soon("network_interfaces", None, type="ethernet", node=node)
    with pytest.raises(NotFound):
        await cluster.client.get(NODE_STATES, node)
