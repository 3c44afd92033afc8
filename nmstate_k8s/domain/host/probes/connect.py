"""tcp and http: what a policy itself names must still take a connection, or answer, after the change.

Every address of a name is tried at once. Of an answer over HTTP only the first line is read.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import SplitResult, urlsplit

from nmstate_k8s.api.probes import HTTPProbe, ProbeKind, TCPProbe
from nmstate_k8s.domain.host.probes.addresses import NameServers, addresses_of
from nmstate_k8s.domain.host.probes.race import AllFailed, first_to_succeed
from nmstate_k8s.domain.host.probes.result import Change, ProbeFailed

__all__ = ["HttpProbe", "TcpProbe"]

_SECONDS = 3.0
_MAX_NAME = 100
_GOOD = range(200, 400)
_QUERY = re.compile(r"[?#]")
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TcpProbe:
    """A port takes a connection."""

    kind: ProbeKind = "tcp"
    always = False
    try_seconds = _SECONDS

    def __init__(self, target: TCPProbe, *, name_servers: NameServers) -> None:
        host = f"[{target.host}]" if ":" in target.host else target.host
        self.name = f"tcp {host}:{target.port}"
        self._target = target
        self._name_servers = name_servers

    async def attempt(self, change: Change) -> None:
        async with _connected(self._target.host, self._target.port, self._name_servers):
            return


class HttpProbe:
    """A web server answers with the right status. The name leaves out what a query may hold: it may be a secret."""

    kind: ProbeKind = "http"
    always = False
    try_seconds = _SECONDS

    def __init__(self, target: HTTPProbe, *, name_servers: NameServers) -> None:
        self._url = target.url
        scheme, _, rest = target.url.partition("://")
        self.name = f"{scheme} {_QUERY.split(rest, maxsplit=1)[0]}"[:_MAX_NAME]
        self._status = target.status
        self._name_servers = name_servers

    async def attempt(self, change: Change) -> None:
        try:
            url = urlsplit(self._url)
            host, port, secure = url.hostname or "", url.port, url.scheme == "https"
        except ValueError as error:  # brackets around what is no IPv6 address, a port that is none
            raise ProbeFailed(f"the URL cannot be meant: {error}") from error
        try:
            port = port or (443 if secure else 80)
            async with _connected(host, port, self._name_servers, tls=secure) as (reader, writer):
                writer.write(_request(url))
                line = await reader.readline()
        except (OSError, ValueError) as error:
            raise ProbeFailed(f"{host}: {error}") from error
        status = _status(line)
        if status is None:
            raise ProbeFailed(f"{host} does not answer in HTTP")
        if status != self._status if self._status else status not in _GOOD:
            raise ProbeFailed(f"{host} answers with status {status}")


def _request(url: SplitResult) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = (
        f"GET {target} HTTP/1.1",
        f"Host: {url.netloc}",
        "User-Agent: nmstate-probe",
        "Accept: */*",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _status(line: bytes) -> int | None:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    return int(code) if version.startswith(b"HTTP/") and len(code) == 3 and code.isdigit() else None


@asynccontextmanager
async def _connected(
    host: str, port: int, name_servers: NameServers, *, tls: bool = False
) -> AsyncIterator[_Connection]:
    """A connection to whichever address takes one first; it is dropped without a farewell."""
    addresses = await addresses_of(host, name_servers)
    try:
        connection = await first_to_succeed(
            (_open(address, port, host, tls) for address in addresses), ProbeFailed, discard=_drop
        )
    except AllFailed as error:
        raise ProbeFailed(f"{host} port {port}: {error}") from error
    try:
        yield connection
    finally:
        _drop(connection)


async def _open(address: str, port: int, host: str, tls: bool) -> _Connection:
    context: ssl.SSLContext | None = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        return await asyncio.open_connection(address, port, ssl=context, server_hostname=host if tls else None)
    except OSError as error:
        raise ProbeFailed(_why(error)) from error


def _why(error: OSError) -> str:
    """In the system's words, without the address that asyncio puts among them."""
    if isinstance(error, ssl.SSLError) or error.errno is None:
        return str(error)
    return os.strerror(error.errno)


def _drop(connection: _Connection) -> None:
    connection[1].transport.abort()
