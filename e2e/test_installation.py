"""What an NMState asks for, and what it says while it does not come about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.kit import Cluster, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, Json, condition
from e2e.kit.shell import CommandFailed

WEBHOOK = "name=nmstate-webhook"
MISTAKE: Json = {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "mtu": "many"}]}


@contextmanager
def asked(cluster: Cluster, spec: Json) -> Iterator[None]:
    """The NMState with these fields, and afterwards without them and Available."""

    def patch(fields: Json) -> None:
        cluster.kubectl("patch", "nmstate", "nmstate", "--type=merge", "-p", json.dumps({"spec": fields}))

    patch(spec)
    try:
        yield
    finally:
        patch(dict.fromkeys(spec))
        settled(cluster)


def settled(cluster: Cluster) -> None:
    """The NMState is Available for its present generation, and no pod of the controller is on its way out."""

    def so() -> bool:
        nmstate = cluster.get("nmstate", "nmstate")
        current = nmstate["status"].get("observedGeneration") == nmstate["metadata"]["generation"]
        available = condition(nmstate, "Available").get("status") == "True"
        return current and available and len(controllers(cluster)) == 1

    eventually("the NMState is Available", so, timeout=180)


def controllers(cluster: Cluster) -> list[Json]:
    return cluster.list("pods", "-n", HANDLER_NAMESPACE, "-l", WEBHOOK)


def says(cluster: Cluster, words: str) -> None:
    """The NMState is Progressing and has these words."""

    def so() -> str | None:
        progressing = condition(cluster.get("nmstate", "nmstate"), "Progressing")
        message = str(progressing.get("message", "")) if progressing.get("status") == "True" else ""
        return message if words in message else None

    eventually(f"the NMState says `{words}`", so, timeout=120)


def test_an_image_that_cannot_be_pulled_is_named(cluster: Cluster) -> None:
    """With the node, what the kubelet says, and what to do; the node whose turn it is not keeps its handler."""
    deployment = cluster.get("deployment", "nmstate-operator", namespace=HANDLER_NAMESPACE)
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    names = ("RELATED_IMAGE_HANDLER_IMAGE", "HANDLER_IMAGE_PULL_POLICY")
    before = [f"{one['name']}={one['value']}" for one in env if one["name"] in names]

    def tell(*variables: str) -> None:
        cluster.kubectl("set", "env", "deployment/nmstate-operator", "-n", HANDLER_NAMESPACE, *variables)

    tell(f"{names[0]}=registry.invalid/handler:1", f"{names[1]}=IfNotPresent")
    try:
        says(cluster, "the image registry.invalid/handler:1 cannot be pulled: ")
        says(cluster, "see that the registry has it")
        ready = [p for p in cluster.handler_pods().values() if condition(p, "Ready").get("status") == "True"]
        assert len(ready) == len(cluster.nodes()) - 1
    finally:
        tell(*before)
        settled(cluster)


def test_a_controller_that_no_node_takes_says_what_the_scheduler_says(cluster: Cluster) -> None:
    """And which fields of the NMState decide on it."""
    with asked(cluster, {"infraNodeSelector": {"there-is": "none"}}):
        says(cluster, "no node takes the pod: 0/2 nodes are available: 2 node(s) didn't match")
        says(cluster, "change spec.infraTolerations, spec.infraNodeSelector of the NMState")


def test_on_the_hosts_network_the_webhook_is_asked(cluster: Cluster) -> None:
    """Beside the handler of the same node; the pod network carries nothing of it."""
    with asked(cluster, {"hostNetwork": True}):

        def moved() -> bool:
            return all(pod["status"].get("podIP") == pod["status"].get("hostIP") for pod in controllers(cluster))

        eventually("the controller is on its node's network", moved, timeout=120)
        settled(cluster)
        with pytest.raises(CommandFailed) as refused:
            cluster.apply(cluster.policy("asked", MISTAKE))
        assert "spec.desiredState.interfaces[0].mtu" in refused.value.stderr
        cluster.apply(cluster.policy("hosted", {"interfaces": [{"name": "d1", "type": "dummy", "state": "up"}]}))
        cluster.wait("nncp", "hosted", "Available")
