"""dns: any of the DNS servers in use answers for the configured host, for each family of servers by itself.

root-servers.net is asked for its name servers, any other host for its addresses. Where no server of a family is left
(a static address brings none, and `auto-dns: false` means it), any other server that answers will do: a name can still
be resolved. Where none is left at all, nothing does.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from nmstate_k8s.api.probes import Family, ProbeKind
from nmstate_k8s.domain.host.probes.addresses import NameServers, family_of, servers_in_use
from nmstate_k8s.domain.host.probes.dnsquery import PORT, NoAnswer, ask
from nmstate_k8s.domain.host.probes.plan import ROOT_SERVERS
from nmstate_k8s.domain.host.probes.race import AllFailed, first_to_succeed
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change, ProbeFailed, ProbeSkipped

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
        port: int = PORT,
    ) -> None:
        self.name = f"dns-{family}"
        self._family = family
        self._host = host
        self._name_servers = name_servers
        self._port = port

    async def attempt(self, change: Change) -> None:
        servers = await servers_in_use(self._name_servers)
        own = [server for server in servers if family_of(server) == self._family]
        if not own and change == NO_CHANGE:
            raise ProbeFailed(f"there is no {_SPOKEN[self._family]} DNS server")
        try:
            await first_to_succeed(self._questions(own or servers), NoAnswer)
        except AllFailed as error:
            raise ProbeFailed(f"no DNS server answers for {self._host}: {error}") from error
        if not own:
            raise ProbeSkipped(f"no {_SPOKEN[self._family]} DNS server is left; another answers")

    def _questions(self, servers: list[str]) -> list[Coroutine[Any, Any, list[str]]]:
        kinds = ("NS",) if self._host == ROOT_SERVERS else ("A", "AAAA")
        bound = self.try_seconds - 0.5
        return [ask(server, self._host, kind, port=self._port, seconds=bound) for server in servers for kind in kinds]
