"""From the Go system, in place: what it left on the cluster is taken over, and no node notices.

Of the Go system there are its objects, as tests/integration/gosystem.py has them, and pods that do nothing.
"""

from __future__ import annotations

import asyncio
import json

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, Json
from e2e.kit.install import install
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.domain.kinds import NMSTATES, NODES, POLICIES
from tests.integration import gosystem

STACK = "app=kubernetes-nmstate"
IDLE = ("python3", "-c", "import signal; signal.pause()")


def network() -> Json:
    """A bridge over one NIC, a VLAN on another, and an address, on no wire: all nodes have the same one."""
    address = {"enabled": True, "dhcp": False, "address": [{"ip": "10.99.0.1", "prefix-length": 24}]}
    bridge = {"options": {"stp": {"enabled": False}}, "port": [{"name": "eth1"}]}
    return {
        "interfaces": [
            {"name": "br1", "type": "linux-bridge", "state": "up", "ipv4": {"enabled": False}, "bridge": bridge},
            {"name": "eth2.7", "type": "vlan", "state": "up", "vlan": {"base-iface": "eth2", "id": 7}},
            {"name": "dummy1", "type": "dummy", "state": "up", "ipv4": address},
        ]
    }


def activations(node: Node) -> list[str]:
    """What NetworkManager has activated, and as its how manieth activation: one that is done again has another path."""
    fields = "UUID,DEVICE,STATE,ACTIVE-PATH"
    return sorted(node.sh(f"nmcli -t -f {fields} connection show --active").splitlines())


def replaced_by_the_go_system(cluster: Cluster) -> None:
    """Our stack goes, and all that it wrote is written again as the Go system wrote it; the policies stay."""
    nmstate = cluster.get("nmstate", "nmstate")
    handler = cluster.get("daemonset", "nmstate-handler", namespace=HANDLER_NAMESPACE)
    image = handler["spec"]["template"]["spec"]["containers"][0]["image"]
    cluster.delete("nmstate", "nmstate")
    eventually("our pods are gone", lambda: not cluster.list("pods", "-A", "-l", STACK), timeout=120)
    cluster.kubectl("delete", "deployment", "nmstate-operator", "-n", HANDLER_NAMESPACE)
    for definition in gosystem.definitions():
        cluster.kubectl("replace", "-f", "-", input=json.dumps(definition))
    cluster.kubectl("delete", "nnce", "--all")
    asyncio.run(_leave_behind(cluster, nmstate, image))
    eventually("its pods run", lambda: len(cluster.handler_pods()) == len(cluster.nodes()), timeout=60)


async def _leave_behind(cluster: Cluster, before: Json, image: str) -> None:
    program = {"image": image, "imagePullPolicy": "Never", "command": list(IDLE)}
    async with Client(ClusterConfig.from_kubeconfig(cluster.env["KUBECONFIG"])) as admin:
        body = {"metadata": {"name": "nmstate"}, "spec": before.get("spec", {})}
        nmstate = await admin.create(NMSTATES, body, field_manager="kubectl")
        await gosystem.installed(admin, nmstate, program)
        for node in (await admin.list(NODES)).items:
            for policy in (await admin.list(POLICIES)).items:
                await gosystem.enactment(admin, node, policy)


def test_the_go_system_is_taken_over_and_no_node_notices(cluster: Cluster, nodes: list[Node]) -> None:
    """One `kubectl apply`: policies and enactments are the same ones, and nothing was activated again."""
    cluster.apply(cluster.policy("taken", network()))
    before = cluster.wait("nncp", "taken", "Available")
    try:
        replaced_by_the_go_system(cluster)
        left = cluster.enactments("taken")
        assert not any("spec" in each for each in left.values())
        pictures = {node.name: node.state() for node in nodes}
        activated = {node.name: activations(node) for node in nodes}
    finally:
        install()

    def taken_over() -> bool:
        now = cluster.enactments("taken")
        return now.keys() == left.keys() and all(
            "spec" in each and each["status"].get("bootId") for each in now.values()
        )

    eventually("every node was asked, and found itself to be as it should", taken_over, timeout=60)
    after = cluster.wait("nncp", "taken", "Available")
    assert {node.name: activations(node) for node in nodes} == activated
    for node in nodes:
        node.is_again(pictures[node.name], timeout=20)  # pods come and go, and with them what is seen of their links
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    assert {name: one["metadata"]["uid"] for name, one in cluster.enactments("taken").items()} == {
        name: one["metadata"]["uid"] for name, one in left.items()
    }
    deployments = {one["metadata"]["name"] for one in cluster.list("deployment", "-n", HANDLER_NAMESPACE)}
    assert deployments == {"nmstate-operator", "nmstate-webhook"}
