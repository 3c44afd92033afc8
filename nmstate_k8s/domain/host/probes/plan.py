"""What is probed for one policy: its own words over the node's defaults, field by field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nmstate_k8s.api.probes import Family, HTTPProbe, ProbeKind, Probes, TCPProbe

__all__ = ["BOTH", "DEFAULT_PLAN", "ROOT_SERVERS", "ProbePlan", "plan_for"]

BOTH: tuple[Family, ...] = ("ipv4", "ipv6")
ROOT_SERVERS = "root-servers.net"


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What is probed, and how long."""

    total_seconds: float = 120.0
    """After these the probes that have not passed have failed."""
    ping: tuple[Family, ...] = BOTH
    dns: tuple[Family, ...] = BOTH
    dns_host: str = ROOT_SERVERS
    tcp: tuple[TCPProbe, ...] = ()
    http: tuple[HTTPProbe, ...] = ()
    disabled: frozenset[ProbeKind] = frozenset()


DEFAULT_PLAN = ProbePlan()


def plan_for(said: Probes | None, defaults: ProbePlan) -> ProbePlan:
    """The defaults, but for each field that is said."""
    if said is None:
        return defaults
    changes: dict[str, Any] = {
        "total_seconds": None if said.timeout_seconds is None else float(said.timeout_seconds),
        "ping": said.ping and said.ping.families,
        "dns": said.dns and said.dns.families,
        "dns_host": said.dns and said.dns.host,
        "tcp": said.tcp,
        "http": said.http,
        "disabled": None if said.disable is None else frozenset(said.disable),
    }
    return replace(defaults, **{name: value for name, value in changes.items() if value is not None})
