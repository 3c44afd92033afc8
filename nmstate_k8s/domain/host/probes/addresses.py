"""Addresses of servers, and the names that stand for them, as the node's own DNS servers know them now.

The pod's resolv.conf is the node's of the day when the pod was made: after a change of DNS it says nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

from nmstate_k8s.api.probes import Family
from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.probes.dnsquery import PORT, NoAnswer, ask
from nmstate_k8s.domain.host.probes.race import AllFailed, first_to_succeed
from nmstate_k8s.domain.host.probes.result import ProbeFailed

__all__ = ["NameServers", "addresses_of", "family_of", "servers_in_use"]

_SECONDS = 2.0
NameServers = Callable[[], Awaitable[list[str]]]
"""The DNS servers that NetworkManager uses."""


def family_of(server: str) -> Family | None:
    """The family of an address, which may name its interface (fe80::1%eth0); None: it is no address."""
    try:
        return "ipv4" if ipaddress.ip_address(server.partition("%")[0]).version == 4 else "ipv6"
    except ValueError:
        return None


async def servers_in_use(name_servers: NameServers) -> list[str]:
    """Those that can be asked over plain DNS.

    :raises ProbeFailed: there is none.
    """
    try:
        servers = await name_servers()
    except HostError as error:
        raise ProbeFailed(f"NetworkManager does not tell the DNS servers: {error.message}") from error
    usable = [server for server in servers if family_of(server)]
    if not usable:
        raise ProbeFailed("there is no DNS server")
    return usable


async def addresses_of(host: str, name_servers: NameServers, *, port: int = PORT) -> list[str]:
    """The host itself where it is an address, else what the first server says that knows any.

    :raises ProbeFailed: nobody knows the name.
    """
    if family_of(host):
        return [host]
    servers = await servers_in_use(name_servers)
    try:
        return await first_to_succeed((_known_to(server, host, port) for server in servers), NoAnswer)
    except AllFailed as error:
        raise ProbeFailed(f"{host} is not resolved: {error}") from error


async def _known_to(server: str, host: str, port: int) -> list[str]:
    asked = (ask(server, host, kind, port=port, seconds=_SECONDS) for kind in ("A", "AAAA"))
    found: list[str] = []
    why: NoAnswer | None = None
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, NoAnswer):
            why = why or answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    if not found:
        raise why or NoAnswer(f"{server} has more to say of {host} than fits")
    return found
