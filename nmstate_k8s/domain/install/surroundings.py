"""What of the cluster decides on what is installed, beside the NMState itself."""

from __future__ import annotations

__all__ = ["Surroundings", "UNKNOWN", "OPTIONAL", "crd_name"]

from dataclasses import dataclass, field

from nmstate_k8s.core.objects import Resource
from nmstate_k8s.domain.install.controller import NodeTaints
from nmstate_k8s.domain.install.kinds import (
    CONSOLE_PLUGINS,
    PROMETHEUS_RULES,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_MONITORS,
)

OPTIONAL: tuple[Resource, ...] = (
    SERVICE_MONITORS,
    PROMETHEUS_RULES,
    SECURITY_CONTEXT_CONSTRAINTS,
    CONSOLE_PLUGINS,
)
"""Kinds of which objects are installed where the cluster serves them, and only there: each by its CRD."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The cluster, as far as it matters. By default: nothing is known of it."""

    nodes: tuple[NodeTaints, ...] = ()
    """How many controllers run follows from them."""
    api_ports: frozenset[int] = field(default_factory=frozenset)
    """Where the API server listens."""
    served: frozenset[Resource] = field(default_factory=frozenset)
    """Those of ``OPTIONAL`` that there are."""


UNKNOWN = Surroundings()


def crd_name(resource: Resource) -> str:
    """The name of the CRD that serves a kind."""
    return f"{resource.plural}.{resource.group}"
