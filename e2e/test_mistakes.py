"""Mistakes in a policy: said clearly on the enactment, nothing changed, the handler alive."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition


def _fails(cluster: Cluster, nodes: list[Node], name: str, desired: dict[str, Any]) -> list[str]:
    """Apply, wait for Degraded, assert that nothing changed; the messages of the enactments."""
    before = {node.name: node.state() for node in nodes}
    handlers = cluster.handler_restarts()
    cluster.apply(cluster.policy(name, desired, maxUnavailable=len(nodes)))
    policy = cluster.wait("nncp", name, "Degraded")
    assert condition(policy, "Degraded")["reason"] == "FailedToConfigure"

    def all_final() -> list[str]:
        failing = [condition(e, "Failing") for e in cluster.enactments(name).values()]
        final = [c["message"] for c in failing if c.get("reason") == "FailedToConfigure" and c["status"] == "True"]
        return final if len(final) == len(nodes) else []

    messages = eventually("each enactment has failed for good", all_final, timeout=90)
    for node in nodes:
        node.is_again(before[node.name], timeout=5)
    assert cluster.handler_restarts() == handlers
    assert all(len(message) <= 300 for message in messages)
    return messages


def test_a_missing_interface_is_named(cluster: Cluster, nodes: list[Node]) -> None:
    """A policy for eth666 fails, names eth666 and what there is instead, and leaves the node as it was."""
    desired = {
        "interfaces": [
            {
                "name": "eth666",
                "type": "ethernet",
                "state": "up",
                "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.66", "prefix-length": 24}]},
            }
        ]
    }
    for message in _fails(cluster, nodes, "missing-interface", desired):
        assert "eth666" in message
        assert "eth1" in message
    told = [
        event["note"]
        for event in cluster.list("events.events.k8s.io", "--field-selector=reason=ReconcileFailed")
        if event["regarding"]["name"] == "missing-interface" and event["type"] == "Warning"
    ]
    assert told, "no event on the policy tells of the failure"
    assert all("eth666" in note for note in told)


@pytest.mark.parametrize(
    ("desired", "words"),
    [
        pytest.param(
            {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "mtuu": 1400}]},
            ("mtuu",),
            id="misspelt-key",
        ),
        pytest.param(
            {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "mtu": "many"}]},
            ("mtu",),
            id="wrong-type",
        ),
        pytest.param(
            {
                "interfaces": [
                    {"name": f"eth{n}", "type": "ethernet", "state": "up", "description": "x" * 50}
                    for n in range(1000, 2800)
                ]
            },
            ("eth1000",),
            id="200-kB",
        ),
    ],
)
def test_a_bad_state_is_said_and_changes_nothing(
    cluster: Cluster, nodes: list[Node], desired: dict[str, Any], words: tuple[str, ...]
) -> None:
    """Whatever is wrong in a desired state stands on the enactment in one sentence of at most 300 characters."""
    for message in _fails(cluster, nodes, "bad-state", desired):
        for word in words:
            assert word in message
