"""Which nodes a policy reaches, and how many at once."""

from __future__ import annotations

from typing import Any

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition, first_true
from e2e.kit.watch import EnactmentWatcher


def dummy(name: str) -> dict[str, Any]:
    return {"interfaces": [{"name": name, "type": "dummy", "state": "up", "ipv4": {"enabled": False}}]}


def test_a_policy_for_no_node_is_ignored(cluster: Cluster, nodes: list[Node]) -> None:
    """A selector that matches nothing makes the policy Ignored, without enactments."""
    cluster.apply(cluster.policy("nowhere", dummy("dummy1"), nodeSelector={"lab/none": "here"}))
    policy = cluster.wait("nncp", "nowhere", "Ignored", timeout=15)
    assert condition(policy, "Ignored")["reason"] == "NoMatchingNode"
    assert condition(policy, "Ignored")["message"] == "Policy does not match any node"
    assert not cluster.enactments("nowhere")


def test_a_policy_for_one_node_touches_that_one_alone(cluster: Cluster, nodes: list[Node]) -> None:
    one, *others = nodes
    cluster.apply(cluster.policy("one", dummy("dummy1"), nodeSelector={"kubernetes.io/hostname": one.name}))
    cluster.wait("nncp", "one", "Available")
    assert "dummy1" in one.links()
    assert all("dummy1" not in other.links() for other in others)
    assert list(cluster.enactments("one")) == [one.name]


def test_a_node_that_no_longer_matches_loses_its_enactment_and_keeps_its_network(
    cluster: Cluster, nodes: list[Node]
) -> None:
    """A label taken away: enactment gone within 30 s, policy right within 10 s, the interface stays."""
    for node in nodes:
        cluster.kubectl("label", "node", node.name, "lab/chosen=yes", "--overwrite")
    try:
        cluster.apply(cluster.policy("labelled", dummy("dummy1"), nodeSelector={"lab/chosen": "yes"}))
        cluster.wait("nncp", "labelled", "Available")
        assert len(cluster.enactments("labelled")) == len(nodes)

        leaver = nodes[-1]
        cluster.kubectl("label", "node", leaver.name, "lab/chosen-")
        eventually(
            "the policy speaks of one node",
            lambda: (
                condition(cluster.get("nncp", "labelled"), "Available").get("message")
                == "1/1 nodes successfully configured"
            ),
            timeout=10,
        )
        eventually("the enactment is gone", lambda: leaver.name not in cluster.enactments("labelled"), timeout=30)
        assert "dummy1" in leaver.links()
    finally:
        for node in nodes:
            cluster.kubectl("label", "node", node.name, "lab/chosen-")


def test_max_unavailable_one_means_one_node_at_a_time(cluster: Cluster, nodes: list[Node]) -> None:
    """With maxUnavailable 1 an independent watcher never sees two nodes at work."""
    with EnactmentWatcher(cluster, "in-turn") as watcher:
        cluster.apply(cluster.policy("in-turn", dummy("dummy1"), maxUnavailable=1))
        cluster.wait("nncp", "in-turn", "Available")
        watcher.saw_work(timeout=10)
    assert watcher.most_at_once == 1
    assert all("dummy1" in node.links() for node in nodes)


def test_wait_after_an_edit_returns_for_the_new_generation(cluster: Cluster, nodes: list[Node]) -> None:
    """`kubectl wait` right after an edit is not satisfied by the Available of the generation before."""
    for number in range(1, 4):
        name = f"dummy{number}"
        cluster.apply(cluster.policy("edited", dummy(name)))
        policy = cluster.wait("nncp", "edited", "Available")
        assert policy["status"]["observedGeneration"] == policy["metadata"]["generation"] == number
        assert condition(policy, "Available")["observedGeneration"] == number
        assert first_true(policy) == "Available"
        assert all(name in node.links() for node in nodes)
