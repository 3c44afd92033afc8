"""The installation is taken away while a node has no power."""

from __future__ import annotations

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, Json

STACK = "app=kubernetes-nmstate"
OURS = (
    "daemonset,deployment,service,secret,serviceaccount,role,rolebinding,networkpolicy,poddisruptionbudget,"
    "clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration,"
    "validatingadmissionpolicy,validatingadmissionpolicybinding"
)
UNIT = "/etc/systemd/system/nmstate-k8s-restore.service"
NETWORK: Json = {
    "interfaces": [
        {
            "name": "br9",
            "type": "linux-bridge",
            "state": "up",
            "ipv4": {"enabled": False},
            "bridge": {"options": {"stp": {"enabled": False}}, "port": [{"name": "eth1"}]},
        }
    ]
}


@pytest.fixture
def dying(cluster: Cluster, nodes: list[Node]) -> Node:
    """A node on which neither operator nor controller run."""
    stack = cluster.list("pods", "-n", HANDLER_NAMESPACE)
    busy = {pod["spec"]["nodeName"] for pod in stack if not pod["spec"].get("hostNetwork")}
    return next(node for node in nodes if node.name not in busy)


def _network(node: Node) -> Json:
    """What of it a reboot does not change."""
    ports = sorted(name for name, link in node.links().items() if link.get("master") == "br9")
    ways = [(route.get("gateway"), route["dev"]) for route in node.default_routes()]
    addresses = sorted(node.addresses("eth0"))
    return {"profiles": node.profiles(), "ports of br9": ports, "default routes": ways, "eth0": addresses}


def test_an_nmstate_goes_without_a_node_that_is_dead(cluster: Cluster, dying: Node) -> None:
    """Nothing but that node's pod is left; when the node comes back that goes too, and its network is as it was."""
    cluster.apply(cluster.policy("outliving", NETWORK))
    cluster.wait("nncp", "outliving", "Available")
    before = _network(dying)
    nmstate = cluster.get("nmstate", "nmstate")
    dying.power("cut")
    try:
        cluster.delete("nmstate", "nmstate", timeout=30)

        def left() -> list[str]:
            found = [one for kind in OURS.split(",") for one in cluster.list(kind, "-A", "-l", STACK)]
            return [
                f"{one['kind']} {one['metadata']['name']}" for one in found if one["metadata"].get("ownerReferences")
            ]

        eventually("nothing of ours is left", lambda: left() == [], timeout=120)

        def where() -> set[str]:
            return {pod["spec"]["nodeName"] for pod in cluster.list("pods", "-A", "-l", STACK)}

        eventually("only the dead node has a pod", lambda: where() == {dying.name}, timeout=120)
        dying.power("on")
        eventually("its pod is gone", lambda: not where(), timeout=180)
        assert cluster.find("nncp", "outliving")
        eventually("its network is as before", lambda: _network(dying) == before, timeout=60)
        assert dying.sh(f"ls {UNIT}; ls -A /var/k8s_nmstate", check=False).split() == [UNIT, "handler_lock"]
    finally:
        dying.power("on")
        spec = {key: nmstate[key] for key in ("apiVersion", "kind", "spec") if key in nmstate}
        cluster.apply({**spec, "metadata": {"name": "nmstate"}})
        cluster.wait("nmstate", "nmstate", "Available", timeout=240)
    cluster.wait("nncp", "outliving", "Available")
