"""All probes of this node, as a plan wants them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.domain.host.probes.addresses import NameServers
from nmstate_k8s.domain.host.probes.cluster import ApiServerProbe, NodeReadinessProbe
from nmstate_k8s.domain.host.probes.connect import HttpProbe, TcpProbe
from nmstate_k8s.domain.host.probes.dns import DnsProbe
from nmstate_k8s.domain.host.probes.ping import PingProbe
from nmstate_k8s.domain.host.probes.plan import ProbePlan
from nmstate_k8s.domain.host.probes.result import Probe
from nmstate_k8s.domain.host.probes.runner import ProbeRunner

__all__ = ["NodeProbes"]

_Own = TypeVar("_Own", TcpProbe, HttpProbe)


class NodeProbes:
    """Makes what runs the probes of a plan: without those that it disables, in the order of the contract."""

    def __init__(self, client: Client, node: str, *, name_servers: NameServers, clock: Clock) -> None:
        self._client = client
        self._node = node
        self._name_servers = name_servers
        self._clock = clock

    def __call__(self, plan: ProbePlan) -> ProbeRunner:
        return ProbeRunner([probe for probe in self._all(plan) if probe.kind not in plan.disabled], clock=self._clock)

    def _all(self, plan: ProbePlan) -> list[Probe]:
        servers = self._name_servers
        return [
            *(PingProbe(family) for family in plan.ping),
            *(DnsProbe(family, plan.dns_host, name_servers=servers) for family in plan.dns),
            *_numbered([TcpProbe(target, name_servers=servers) for target in dict.fromkeys(plan.tcp)]),
            *_numbered([HttpProbe(target, name_servers=servers) for target in dict.fromkeys(plan.http)]),
            ApiServerProbe(self._client),
            NodeReadinessProbe(self._client, self._node),
        ]


def _numbered(probes: Sequence[_Own]) -> Sequence[_Own]:
    """Two may ask the same server for different things, and must not be taken for one."""
    met: Counter[str] = Counter()
    for probe in probes:
        met[probe.name] += 1
        if (count := met[probe.name]) > 1:
            probe.name = f"{probe.name} ({count})"
    return probes
