"""What goes away takes its objects along and leaves the network as it is."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE
from e2e.kit.install import install


def bridge(name: str) -> dict[str, Any]:
    return {
        "interfaces": [
            {
                "name": name,
                "type": "linux-bridge",
                "state": "up",
                "ipv4": {"enabled": False},
                "bridge": {"port": [{"name": "eth1"}]},
            }
        ]
    }


def _restart_handlers(cluster: Cluster, nodes: list[Node]) -> None:
    old = {pod["metadata"]["uid"] for pod in cluster.handler_pods().values()}
    cluster.kubectl("rollout", "restart", "daemonset", "nmstate-handler", "-n", HANDLER_NAMESPACE)
    cluster.kubectl("rollout", "status", "daemonset", "nmstate-handler", "-n", HANDLER_NAMESPACE, "--timeout=180s")
    eventually(
        "all handlers are new",
        lambda: (
            len(pods := cluster.handler_pods()) == len(nodes)
            and not old & {pod["metadata"]["uid"] for pod in pods.values()}
        ),
        timeout=60,
    )


@pytest.mark.parametrize("restarted", [False, True], ids=["as-it-is", "handlers-restarted"])
def test_a_deleted_policy_leaves_the_network(cluster: Cluster, nodes: list[Node], restarted: bool) -> None:
    """Enactments go with their policy; the bridge that it made stays."""
    cluster.apply(cluster.policy("leaving", bridge("br7")))
    cluster.wait("nncp", "leaving", "Available")
    if restarted:
        _restart_handlers(cluster, nodes)

    cluster.delete("nncp", "leaving")

    eventually("its enactments are gone", lambda: not cluster.enactments("leaving"), timeout=30)
    for node in nodes:
        assert node.links()["eth1"].get("master") == "br7"


@pytest.mark.parametrize("restarted", [False, True], ids=["as-it-is", "handlers-restarted"])
def test_a_deleted_nmstate_takes_the_stack_and_leaves_network_and_policies(
    cluster: Cluster, nodes: list[Node], restarted: bool
) -> None:
    """Pods go within 120 s; networks, policies and CRDs stay; the stack comes back with a new NMState."""
    cluster.apply(cluster.policy("staying", bridge("br8")))
    cluster.wait("nncp", "staying", "Available")
    if restarted:
        _restart_handlers(cluster, nodes)
    nmstate = cluster.list("nmstate")[0]
    name = nmstate["metadata"]["name"]

    cluster.delete("nmstate", name)
    try:
        eventually(
            "all pods of the stack are gone",
            lambda: not cluster.list("pods", "-A", "-l", "app=kubernetes-nmstate"),
            timeout=120,
        )
        for kind, object_name in (("daemonset", "nmstate-handler"), ("deployment", "nmstate-webhook")):
            eventually(
                f"{kind} {object_name} is gone",
                lambda kind=kind, object_name=object_name: (
                    not cluster.kubectl(
                        "get", kind, object_name, "-n", HANDLER_NAMESPACE, "--ignore-not-found", "-o", "name"
                    ).stdout
                ),
                timeout=30,
            )
        assert cluster.find("nncp", "staying")
        assert cluster.find("namespace", HANDLER_NAMESPACE)
        for node in nodes:
            assert node.links()["eth1"].get("master") == "br8"
    finally:
        spec = {k: nmstate[k] for k in ("apiVersion", "kind", "spec") if k in nmstate}
        cluster.apply({**spec, "metadata": {"name": name}})
        cluster.wait("nmstate", name, "Available", timeout=240)
    cluster.wait("nncp", "staying", "Available")


def test_the_installer_can_run_again(cluster: Cluster) -> None:
    """Installing over a running stack changes nothing and ends Available."""
    handlers = cluster.handler_restarts()
    install()
    assert cluster.handler_restarts() == handlers
