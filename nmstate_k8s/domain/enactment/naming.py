"""What enactments are called, and the labels by which they are found."""

from __future__ import annotations

__all__ = ["enactment_name", "enactment_labels", "label_value", "node_selector"]

from hashlib import sha256

from nmstate_k8s.api.meta import NODE_LABEL, POLICY_LABEL

_NAME_LIMIT = 253
_LABEL_LIMIT = 63


def enactment_name(node: str, policy: str) -> str:
    """The name of the enactment of a policy on a node: ``<node>.<policy>``."""
    return _shortened(f"{node}.{policy}", _NAME_LIMIT)


def enactment_labels(node: str, policy: str) -> dict[str, str]:
    """The labels of an enactment."""
    return {POLICY_LABEL: label_value(policy), NODE_LABEL: label_value(node)}


def node_selector(node: str) -> str:
    """The label selector that finds a node's enactments."""
    return f"{NODE_LABEL}={label_value(node)}"


def label_value(name: str) -> str:
    """The name as a label's value, which must be shorter than a name may be."""
    return _shortened(name, _LABEL_LIMIT)


def _shortened(name: str, limit: int) -> str:
    """The name, or where it is too long its beginning and a hash of the whole: still one name, one result."""
    if len(name) <= limit:
        return name
    digest = sha256(name.encode()).hexdigest()[:10]
    return f"{name[: limit - 11].rstrip('-_.')}-{digest}"
