"""What the checker reads of objects: words of the API as anybody can see them, and none of our own code.

Sources: the conditions of an enactment are those of the API's contract (Pending, Progressing, Failing, Available,
Aborted); a handler pod is one with the label `component: kubernetes-nmstate-handler`; `maxUnavailable` is a number or
a percentage, rounded up, at least 1, and 50 % where it is neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FINAL", "SeenEnactment", "SeenNode", "SeenPod", "SeenPolicy", "allowed", "selects"]

Json = Mapping[str, Any]

FINAL = frozenset({"Available", "Failing", "Aborted"})


@dataclass(frozen=True)
class SeenNode:
    """A version of a Node."""

    name: str
    ready: bool
    labels: Mapping[str, str]
    handler: bool = False
    """Whether a handler pod is on it."""

    @property
    def control_plane(self) -> bool:
        """By its role."""
        return "node-role.kubernetes.io/control-plane" in self.labels

    @classmethod
    def of(cls, obj: Json) -> SeenNode:
        conditions = obj.get("status", {}).get("conditions") or ()
        ready = any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
        return cls(obj["metadata"]["name"], ready, obj["metadata"].get("labels") or {})


@dataclass(frozen=True)
class SeenPod:
    """A version of a Pod."""

    key: tuple[str, str]
    """Its namespace and name."""
    node: str
    """The node that it runs the handler on; empty: on none yet, or it is no handler's."""

    @classmethod
    def of(cls, obj: Json) -> SeenPod:
        meta = obj["metadata"]
        ours = (meta.get("labels") or {}).get("component") == "kubernetes-nmstate-handler"
        return cls((meta.get("namespace", ""), meta["name"]), obj["spec"].get("nodeName", "") if ours else "")


@dataclass(frozen=True)
class SeenPolicy:
    """A version of a policy."""

    name: str
    uid: str
    generation: int
    deleting: bool
    spec: Json
    status: Json
    words: Mapping[str, str]
    """What users say of the rollout: promote, pause, abort, and the generation."""

    @classmethod
    def of(cls, obj: Json) -> SeenPolicy:
        meta = obj["metadata"]
        prefix = "nmstate.io/rollout-"
        annotations: Mapping[str, str] = meta.get("annotations") or {}
        return cls(
            name=meta["name"],
            uid=meta["uid"],
            generation=meta["generation"],
            deleting=bool(meta.get("deletionTimestamp")),
            spec=obj.get("spec") or {},
            status=obj.get("status") or {},
            words={name.removeprefix(prefix): said for name, said in annotations.items() if name.startswith(prefix)},
        )

    def said(self, verb: str) -> bool:
        """Whether somebody says so of this generation."""
        return self.words.get(verb) == str(self.generation)


@dataclass(frozen=True)
class SeenEnactment:
    """A version of an enactment."""

    name: str
    uid: str
    node: str
    policy: str
    policy_uid: str
    """Empty: of whichever policy bears the name."""
    deleting: bool
    admitted: int | None
    """The generation that its node may bring about."""
    desired: Any
    reported: int | None
    """The generation that its status speaks of."""
    phase: str
    """The condition that is True; Retrying where Failing and Progressing both are; empty: none."""
    why: str
    """Reason and message of that condition; empty if one of them is."""

    @classmethod
    def of(cls, obj: Json) -> SeenEnactment:
        meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
        labels = meta.get("labels") or {}
        owners = [each["name"] for each in meta.get("ownerReferences") or () if each["kind"] == "Node"]
        true = {each["type"]: each for each in status.get("conditions") or () if each["status"] == "True"}
        first: Json = next(iter(true.values()), {})
        reason, message = first.get("reason", ""), first.get("message", "")
        return cls(
            name=meta["name"],
            uid=meta["uid"],
            node=owners[0] if owners else labels.get("nmstate.io/node", ""),
            policy=labels.get("nmstate.io/policy", ""),
            policy_uid=(meta.get("annotations") or {}).get("nmstate.io/policy-uid", ""),
            deleting=bool(meta.get("deletionTimestamp")),
            admitted=spec.get("policyGeneration"),
            desired=spec.get("desiredState"),
            reported=status.get("policyGeneration"),
            phase="Retrying" if {"Failing", "Progressing"} <= true.keys() else first.get("type", ""),
            why=f"{reason}: {message}" if reason and message else "",
        )

    def made_for(self, policy_uid: str) -> bool:
        """Whether it is that very policy's."""
        return self.policy_uid in ("", policy_uid)

    @property
    def at_work(self) -> bool:
        """The node may change its network: it was let to, and has not said that it is done."""
        if self.admitted is None or self.deleting:
            return False
        if self.reported == self.admitted:
            return self.phase not in FINAL
        return self.reported is None or self.reported < self.admitted

    def ended(self, generation: int) -> str:
        """How this generation ended here; empty: it did not."""
        return self.phase if self.reported == generation and self.phase in FINAL else ""


def selects(spec: Json, node: SeenNode) -> bool:
    """Whether the policy is for a node with these labels."""
    return all(node.labels.get(key) == value for key, value in (spec.get("nodeSelector") or {}).items())


def allowed(spec: Json, nodes: int) -> int:
    """How many of so many nodes may be unavailable."""
    said = spec.get("maxUnavailable")
    if isinstance(said, str) and said.endswith("%") and said[:-1].isdecimal() and said.isascii():
        return max(1, (int(said[:-1]) * nodes + 99) // 100)
    if isinstance(said, int) and said >= 0:
        return max(1, said)
    return max(1, (nodes + 1) // 2)
