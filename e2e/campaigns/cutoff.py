"""One policy that cuts its node off: rolled back, the whole state as before, the probe named."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from e2e.campaigns.field import journal_closed, only_for, took_away
from e2e.campaigns.kinds import Kind
from e2e.campaigns.ledger import Trial
from e2e.campaigns.uplink import uplink
from e2e.kit import Cluster, CommandFailed, Node, eventually
from e2e.kit.cluster import condition

__all__ = ["cut_off"]

Json = dict[str, Any]
BACK_SECONDS = 30.0
"""After the enactment has said `rolled back`: leases and router advertisements may still come in."""


def cut_off(cluster: Cluster, node: Node, kind: Kind, *, probe_seconds: int) -> Trial:
    """Apply the kind's policy to the node and look at all that has to be so afterwards."""
    node.settle()
    before = node.state()
    handler = cluster.handler_restarts()[node.name]
    name = f"cut-{kind.name}-{node.name}"
    begun = time.monotonic()
    with took_away(cluster, name):
        desired = kind.desired(uplink(node))
        spec = {"nodeSelector": only_for(node), "probes": {"timeoutSeconds": probe_seconds}}
        cluster.apply(cluster.policy(name, desired, **spec))
        try:
            cluster.wait("nncp", name, "Degraded", timeout=240)
        except AssertionError as error:
            return Trial(kind.name, node.name, time.monotonic() - begun, ("never Degraded",), evidence=str(error))
        enactment = cluster.enactments(name)[node.name]
        problems = [*_said(enactment, node, kind), *_is(cluster, node, before)]
        if cluster.handler_restarts()[node.name] != handler:
            problems.append("the handler was restarted")
        told = condition(enactment, "Failing").get("message", "")
        evidence = cluster.tell(name) if problems else ""
        return Trial(kind.name, node.name, time.monotonic() - begun, tuple(problems), told, evidence)


def _said(enactment: Json, node: Node, kind: Kind) -> Iterator[str]:
    """What is wrong with the enactment's words."""
    message = condition(enactment, "Failing").get("message", "")
    stage = enactment["status"].get("failure", {}).get("stage")
    if stage != "probe":
        yield f"failed at the stage {stage}, not by a probe"
    elif not any(probe in message for probe in kind.probes):
        yield f"the message names none of {', '.join(kind.probes)}"
    if node.name not in message:
        yield "the message does not name the node"
    if "rolled back" not in message or "not as before" in message or "still fail" in message:
        yield "the message does not speak of a clean rollback"
    if len(message) > 300:
        yield f"the message has {len(message)} characters"


def _is(cluster: Cluster, node: Node, before: Json) -> Iterator[str]:
    """What is wrong with the node."""
    try:
        node.is_again(before, timeout=BACK_SECONDS)
    except AssertionError as error:
        yield str(error)
    if not journal_closed(node):
        yield "a transaction is still open"
    try:
        eventually("Ready", lambda: cluster.node_ready(node.name), timeout=60)
    except (AssertionError, CommandFailed):
        yield f"the node is not Ready: {json.dumps(condition(cluster.get('node', node.name), 'Ready'))}"
