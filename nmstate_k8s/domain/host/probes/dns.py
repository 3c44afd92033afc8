"""dns: any of the DNS servers in use answers for the configured host, for each family of servers by itself.

root-servers.net is asked for its name servers, any other host for its addresses. Where the servers of a family are
gone, and the desired state means it, any other server that answers will do.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from nmstate_k8s.api.probes import Family, ProbeKind
from nmstate_k8s.domain.host.probes.addresses import NameServers, family_of, servers_in_use
from nmstate_k8s.domain.host.probes.dnsquery import PORT, NoAnswer, ask
from nmstate_k8s.domain.host.probes.intent import names_no_server_of
from nmstate_k8s.domain.host.probes.ping import Gateways, ipv6_is_withdrawn
from nmstate_k8s.domain.host.probes.plan import ROOT_SERVERS
from nmstate_k8s.domain.host.probes.race import AllFailed, first_to_succeed
from nmstate_k8s.domain.host.probes.result import Change, ProbeFailed, ProbeSkipped
from nmstate_k8s.domain.host.probes.routes import default_gateways

__all__ = ["DnsProbe"]

_SPOKEN = {"ipv4": "IPv4", "ipv6": "IPv6"}


class DnsProbe:
    """The DNS servers of one address family that NetworkManager uses."""

    kind: ProbeKind = "dns"
    always = False
    try_seconds = 3.0

    def __init__(
        self,
        family: Family,
        host: str,
        *,
        name_servers: NameServers,
        gateways: Gateways = default_gateways,
        port: int = PORT,
    ) -> None:
        self.name = f"dns-{family}"
        self._family = family
        self._host = host
        self._name_servers = name_servers
        self._gateways = gateways
        self._port = port

    async def attempt(self, change: Change) -> None:
        servers = await servers_in_use(self._name_servers)
        own = [server for server in servers if family_of(server) == self._family]
        if not own and not self._meant(change):
            raise ProbeFailed(f"there is no {_SPOKEN[self._family]} DNS server")
        try:
            await first_to_succeed(self._questions(own or servers), NoAnswer)
        except AllFailed as error:
            raise ProbeFailed(f"no DNS server answers for {self._host}: {error}") from error
        if not own:
            raise ProbeSkipped(f"the desired state has no {_SPOKEN[self._family]} DNS server; another answers")

    def _meant(self, change: Change) -> bool:
        if names_no_server_of(change, self._family):
            return True
        return self._family == "ipv6" and bool(ipv6_is_withdrawn(change, self._gateways))

    def _questions(self, servers: list[str]) -> list[Coroutine[Any, Any, list[str]]]:
        kinds = ("NS",) if self._host == ROOT_SERVERS else ("A", "AAAA")
        bound = self.try_seconds - 0.5
        return [ask(server, self._host, kind, port=self._port, seconds=bound) for server in servers for kind in kinds]
