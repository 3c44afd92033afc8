"""Apply a policy to one node and wait for how it ends there, whichever way."""

from __future__ import annotations

from e2e.campaigns.field import only_for
from e2e.campaigns.uplink import Json
from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition

__all__ = ["ENDINGS", "apply_to", "ended"]

ENDINGS = ("Available", "Failing")


def apply_to(cluster: Cluster, node: Node, policy: str, desired: Json, *, probe_seconds: int = 0) -> int:
    """The generation that the node is to bring about now."""
    spec: Json = {"nodeSelector": only_for(node)}
    if probe_seconds:
        spec["probes"] = {"timeoutSeconds": probe_seconds}
    cluster.apply(cluster.policy(policy, desired, **spec))
    return int(cluster.get("nncp", policy)["metadata"]["generation"])


def ended(cluster: Cluster, node: Node, policy: str, generation: int, *, timeout: float) -> Json:
    """The enactment once it is Available or has failed for good at this generation."""

    def look() -> Json:
        enactment = cluster.enactments(policy).get(node.name, {})
        if enactment.get("status", {}).get("policyGeneration") != generation or _is(enactment, "Progressing"):
            return {}
        return enactment if any(_is(enactment, ending) for ending in ENDINGS) else {}

    return eventually(f"{policy} ended on {node.name}", look, timeout=timeout)


def _is(enactment: Json, kind: str) -> bool:
    return condition(enactment, kind).get("status") == "True"
