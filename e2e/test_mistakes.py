"""Mistakes in a policy: said clearly on the enactment, nothing changed, the handler alive."""

from __future__ import annotations

import json
from typing import Any

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE, Json, condition
from e2e.kit.mistakes import Mistake, catalogue
from nmstate_k8s.api.meta import SKIP_VALIDATION_ANNOTATION

MISTAKES = [mistake for subject in catalogue() for mistake in subject.mistakes]


def _final(cluster: Cluster, name: str) -> list[Json]:
    """The enactments of a policy that have failed for good."""
    return [enactment for enactment in cluster.enactments(name).values() if _is_final(enactment)]


def _is_final(enactment: Json) -> bool:
    failing = condition(enactment, "Failing")
    return (failing.get("status"), failing.get("reason")) == ("True", "FailedToConfigure")


def _fails(cluster: Cluster, nodes: list[Node], name: str, desired: dict[str, Any]) -> list[str]:
    """Apply, wait for Degraded, assert that nothing changed; the messages of the enactments."""
    before = {node.name: node.state() for node in nodes}
    handlers = cluster.handler_restarts()
    cluster.apply(cluster.policy(name, desired, maxUnavailable=len(nodes)))
    policy = cluster.wait("nncp", name, "Degraded")
    assert condition(policy, "Degraded")["reason"] == "FailedToConfigure"

    def all_final() -> list[str]:
        final = [condition(enactment, "Failing")["message"] for enactment in _final(cluster, name)]
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
    for message in _fails(cluster, nodes, "eth666", desired):
        assert "eth666" in message
        assert "eth1" in message
    told = [
        event["note"]
        for event in cluster.list("events.events.k8s.io", "--field-selector=reason=ReconcileFailed")
        if event["regarding"]["name"] == "eth666" and event["type"] == "Warning"
    ]
    assert told, "no event on the policy tells of the failure"
    assert all("eth666" in note for note in told)


def test_a_state_of_200_kb_is_said_in_a_sentence(cluster: Cluster, nodes: list[Node]) -> None:
    """Whatever the size, at most 300 characters."""
    desired = {
        "interfaces": [
            {"name": f"eth{n}", "type": "ethernet", "state": "up", "description": "x" * 50} for n in range(1000, 2800)
        ]
    }
    for message in _fails(cluster, nodes, "large-state", desired):
        assert "eth1000" in message


def _differs(mistake: Mistake, node: str, enactment: Json) -> str:
    """How an enactment differs from what the catalogue says; nothing if it does not."""
    message = condition(enactment, "Failing")["message"]
    failure = enactment["status"]["failure"]
    seen = (failure["stage"], failure["reason"], failure.get("interface", ""))
    wanted = (mistake.stage, mistake.reason, mistake.interface)
    if mistake.told(message, node) and seen == wanted and len(message) <= 300:
        return ""
    return f"{mistake.name}: {seen}, the catalogue says {wanted}: {message}"


def test_each_mistake_of_the_guide_is_told_as_it_says(cluster: Cluster, nodes: list[Node]) -> None:
    """The very words, shared out over the nodes: nothing changed, no handler restarted, no secret in sight."""
    before = {node.name: node.state() for node in nodes}
    handlers = cluster.handler_restarts()
    where = {mistake.name: nodes[number % len(nodes)].name for number, mistake in enumerate(MISTAKES)}
    policies = [
        cluster.policy(m.name, {}, **{**m.spec, "nodeSelector": {"kubernetes.io/hostname": where[m.name]}})
        for m in MISTAKES
    ]
    for policy in policies:  # as where admission is not asked: the node says it all again
        policy["metadata"]["annotations"] = {SKIP_VALIDATION_ANNOTATION: "true"}
    cluster.apply({"apiVersion": "v1", "kind": "List", "items": policies})

    def all_final() -> list[Json]:
        enactments = cluster.list("nnce")
        return enactments if len(enactments) == len(MISTAKES) and all(map(_is_final, enactments)) else []

    final = eventually("each mistake has failed for good", all_final, timeout=300, every=1.0)
    found = {each["metadata"]["labels"]["nmstate.io/policy"]: each for each in final}
    wrong = [told for m in MISTAKES if (told := _differs(m, where[m.name], found[m.name]))]
    assert not wrong, "\n".join(wrong)
    assert "73577357" not in json.dumps([each["status"] for each in final])
    _the_whole_story(cluster, found["login-method"])
    for node in nodes:
        node.is_again(before[node.name], timeout=30)
    assert cluster.handler_restarts() == handlers


def _the_whole_story(cluster: Cluster, enactment: Json) -> None:
    """libnmstate's own words are in the details, and in the handler's log under the enactment's transaction."""
    status = enactment["status"]
    assert "Created checkpoint" in status["failure"]["details"]
    labels = "component=kubernetes-nmstate-handler"
    log = cluster.kubectl("logs", "-n", HANDLER_NAMESPACE, "-l", labels, "--tail=-1").stdout
    lines = [line for line in log.splitlines() if f"transaction={status['transactionId']}" in line]
    assert any("event=libnmstate" in line and "Created checkpoint" in line for line in lines)
    assert any("802-1x.eap" in line for line in lines)
