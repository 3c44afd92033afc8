"""NMState: the installation. The operator makes of it everything else that runs."""

from __future__ import annotations

__all__ = [
    "LogLevel",
    "MetricsConfiguration",
    "NMState",
    "NMStateSpec",
    "NMStateStatus",
    "SelfSignConfiguration",
]

from typing import Annotated, Literal

from msgspec import field

from nmstate_k8s.api.conditions import Condition
from nmstate_k8s.api.model import Model
from nmstate_k8s.api.probes import Probes
from nmstate_k8s.api.rollout import Budget
from nmstate_k8s.api.scheduling import Affinity, Toleration
from nmstate_k8s.api.schema import NodeSelector, describe

LogLevel = Literal["info", "debug"]

_DURATION = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"


class SelfSignConfiguration(Model, frozen=True):
    """How long the certificates that we sign ourselves live. Go durations, for example 24h0m0s."""

    ca_rotate_interval: Annotated[str, describe("How long a certificate authority is used.", pattern=_DURATION)] = (
        "8760h0m0s"
    )
    ca_overlap_interval: Annotated[
        str,
        describe("How long before the end of the old authority the new one is trusted.", pattern=_DURATION),
    ] = "24h0m0s"
    cert_rotate_interval: Annotated[
        str, describe("How long a certificate of the webhook is used.", pattern=_DURATION)
    ] = "4380h0m0s"
    cert_overlap_interval: Annotated[
        str,
        describe("How long before the end of the old certificate the new one is made.", pattern=_DURATION),
    ] = "24h0m0s"


class MetricsConfiguration(Model, frozen=True):
    """Where metrics are served."""

    bind_address: Annotated[
        str,
        describe(
            "The address and port at which the metrics are served inside the pod, by HTTPS. 0: nowhere.",
            pattern=r"^(([^:]*|\[[0-9a-fA-F:]+\]):[0-9]{1,5}|0)$",
        ),
    ] = ":8089"


class NMStateSpec(Model, frozen=True):
    """What is to be installed, where and how. Everything is optional."""

    node_selector: Annotated[
        NodeSelector,
        describe("Where the handler runs. Empty: on every node with kubernetes.io/os: linux."),
    ] = field(default_factory=dict)
    tolerations: Annotated[
        tuple[Toleration, ...], describe("Taints that the handler tolerates. Empty: all of them.")
    ] = ()
    affinity: Annotated[Affinity | None, describe("The handler's affinity.")] = None
    infra_node_selector: Annotated[
        NodeSelector,
        describe("Where the webhook runs. Empty: on nodes with kubernetes.io/os: linux, control plane first."),
    ] = field(default_factory=dict)
    infra_tolerations: Annotated[
        tuple[Toleration, ...],
        describe("Taints that the webhook tolerates. Empty: those of the control plane."),
    ] = ()
    infra_affinity: Annotated[Affinity | None, describe("The webhook's affinity.")] = None
    host_network: Annotated[
        bool,
        describe(
            "Whether the controller, with its webhook and metrics, runs on its node's network, not on the pods':"
            " for clusters whose pod network itself depends on policies. Default: false."
        ),
    ] = False
    self_sign_configuration: Annotated[
        SelfSignConfiguration | None,
        describe("How long the certificates that we sign ourselves live."),
    ] = None
    probe_configuration: Annotated[
        Probes | None,
        describe(
            "How it is verified that a node is still reachable after a change. A policy may say otherwise for itself,"
            " field by field, in its spec.probes."
        ),
    ] = None
    metrics_configuration: Annotated[MetricsConfiguration | None, describe("Where metrics are served.")] = None
    rollout: Annotated[Budget | None, describe("What all policies together may do to the nodes.")] = None
    allow_dispatch: Annotated[
        bool,
        describe(
            "Whether a policy may bring dispatch scripts (interfaces[].dispatch), which NetworkManager runs as root"
            " on the nodes. Default: false, such a policy fails."
        ),
    ] = False
    log_level: Annotated[LogLevel, describe("How much our pods log. Default: info.")] = "info"


class NMStateStatus(Model, frozen=True):
    """How the installation stands. Written by the operator."""

    observed_generation: Annotated[
        int | None, describe("The metadata.generation of the NMState that this status speaks of.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        describe(
            "Available, Progressing and Degraded, in this order; then Ready, Reconciling and Stalled for tools"
            " that speak kstatus."
        ),
    ] = ()


class NMState(Model, frozen=True):
    """An NMState installs node networking in the cluster. There is one; the oldest stays."""

    spec: Annotated[NMStateSpec, describe("What is to be installed, where and how.")] = NMStateSpec()
    status: Annotated[NMStateStatus, describe("How the installation stands.")] = NMStateStatus()
