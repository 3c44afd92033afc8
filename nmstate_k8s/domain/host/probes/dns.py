"""dns: any of the DNS servers in use answers for the configured host.

root-servers.net is asked for its name servers, any other host for its addresses. dnspython is imported with the
first query, and of it only what makes and reads a message: the sockets are our own.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from nmstate_k8s.domain.host.errors import HostError
from nmstate_k8s.domain.host.probes.result import ProbeFailed

__all__ = ["DnsProbe"]

ROOT = "root-servers.net"
PORT = 53


class DnsProbe:
    """The DNS servers that NetworkManager uses."""

    name = "dns"
    always = False
    try_seconds = 3.0

    def __init__(self, host: str, *, name_servers: Callable[[], Awaitable[list[str]]], port: int = PORT) -> None:
        self._host = host
        self._name_servers = name_servers
        self._port = port

    async def attempt(self, desired: bytes) -> None:
        try:
            servers = await self._name_servers()
        except HostError as error:
            raise ProbeFailed(f"NetworkManager does not tell the DNS servers: {error.message}") from error
        if not servers:
            raise ProbeFailed("there is no DNS server")
        failures = await self._any(servers)
        if failures:
            raise ProbeFailed(f"no DNS server answers for {self._host}: {'; '.join(failures)}")

    async def _any(self, servers: list[str]) -> list[str]:
        """Ask all at once; nothing as soon as one has answered, else why each did not."""
        types = ("NS",) if self._host == ROOT else ("A", "AAAA")
        asked = [asyncio.ensure_future(self._ask(server, kind)) for server in servers for kind in types]
        failures: list[str] = []
        try:
            for answer in asyncio.as_completed(asked):
                why = await answer
                if why is None:
                    return []
                failures.append(why)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return failures

    async def _ask(self, server: str, kind: str) -> str | None:
        """None: it has answered. Else why not."""
        try:
            async with asyncio.timeout(self.try_seconds - 0.5):
                answer, query = await self._exchange(server, kind)
        except TimeoutError:
            return f"{server} does not answer"
        except OSError as error:
            return f"{server}: {error.strerror or error}"
        return _verdict(server, kind, answer, query)

    async def _exchange(self, server: str, kind: str) -> tuple[bytes, Any]:
        import dns.message

        query = dns.message.make_query(self._host, kind, id=secrets.randbelow(65536))
        loop = asyncio.get_running_loop()
        family, *_, address = (
            await loop.getaddrinfo(server, self._port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        )[0]
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            await loop.sock_connect(udp, address)
            await loop.sock_sendall(udp, query.to_wire())
            while True:
                answer = await loop.sock_recv(udp, 4096)
                if answer[:2] == query.id.to_bytes(2, "big"):
                    return answer, query


def _verdict(server: str, kind: str, answer: bytes, query: Any) -> str | None:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.rcode

    try:
        message = dns.message.from_wire(answer, ignore_trailing=True)
    except dns.exception.DNSException as error:
        return f"{server}: {error}"
    if not query.is_response(message):
        return f"{server} answers another question"
    if message.rcode() != dns.rcode.NOERROR:
        return f"{server}: {dns.rcode.to_text(message.rcode())}"
    if not message.answer and not message.flags & dns.flags.TC:
        return f"{server} knows no {kind}"
    return None
