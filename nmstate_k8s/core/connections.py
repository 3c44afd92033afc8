"""The connections of one client to its API server: pooled, and made anew when their certificates change.

* The files of the configuration (CA, client certificate, key) are looked at again every `CHECK_SECONDS`, when a
  request needs a connection. If one has changed, new connections use the new files; the pool of old ones takes no
  new request, is closed when its last request has ended, and is broken off after `RETIRED_SECONDS`, so that a
  watch does not live for ever on a CA that is no longer trusted. Files that cannot be used (one of a pair is
  written, the other not yet) change nothing and are looked at again.
* A server whose certificate is not trusted makes the files be read again before the next connection.
* A half-open connection is noticed by the kernel's keep-alive within half a minute.
* Nothing is repeated behind the caller's back: aiohttp would send a PUT or DELETE again on its own account.
* A TLS connection takes 64 KB to read into (`tlsbuffers`).
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, Final, Protocol

import aiohttp
import structlog
from aiohttp.connector import Connection

from nmstate_k8s.core.config import ClusterConfig, FileMarks
from nmstate_k8s.core.errors import ConfigError
from nmstate_k8s.core.tlsbuffers import lessen

__all__ = ["Breakable", "Connections"]

CHECK_SECONDS: Final = 10.0
"""Kubelets bring new files within about a minute; six looks a minute cost nothing."""
RETIRED_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 10.0
KEEPALIVE: Final = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 30_000,
}
"""An idle peer is dead after 10 + 4 x 5 = 30 s of silence, and so is one that does not acknowledge."""

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Breakable(Protocol):
    """Whoever uses a connection."""

    def break_off(self) -> None:
        """The connection is gone: end at once with ConnectionsReset."""


class _Pool:
    """Connections made with the same certificates, and who uses them."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.users: set[Breakable] = set()
        self.retired: asyncio.TimerHandle | None = None

    def break_off(self) -> None:
        for user in tuple(self.users):
            user.break_off()


class Connections:
    """A pool, and those that it replaced while they are still used."""

    def __init__(self, config: ClusterConfig, *, user_agent: str) -> None:
        self._config = config
        self._user_agent = user_agent
        self._pool: _Pool | None = None
        self._retired: set[_Pool] = set()
        self._marks: FileMarks = ()
        self._check_at = float("-inf")
        self._renewing = asyncio.Lock()
        self._closing: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def pooled(self, user: Breakable) -> AsyncIterator[aiohttp.ClientSession]:
        """A session for one request.

        :raises ConfigError: if the configuration's files cannot be used, and never could.
        """
        pool = await self._current()
        pool.users.add(user)
        try:
            yield pool.session
        finally:
            pool.users.discard(user)
            if pool in self._retired and not pool.users:
                self._close(pool)

    @asynccontextmanager
    async def new(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session without connections, which is closed at the end.

        :raises ConfigError: if the configuration's files cannot be used.
        """
        async with self._session(await self._context()) as session:
            yield session

    def distrust(self) -> None:
        """The next request reads the files anew and connects anew."""
        self._check_at = float("-inf")
        self._marks = ()

    def reset(self) -> None:
        """Close all connections at once; those who use them are not told."""
        for pool in (*self._retired, *filter(None, (self._pool,))):
            self._close(pool)
        self._pool = None
        self.distrust()

    async def close(self) -> None:
        """The same, and return when they are closed."""
        self.reset()
        if self._closing:
            await asyncio.wait(self._closing)
        await asyncio.sleep(0)  # aborted sockets are closed in the loop's next turn

    async def _current(self) -> _Pool:
        if self._pool is not None and not self._due():
            return self._pool
        async with self._renewing:
            if self._pool is None or self._due():
                await self._renew(self._pool)
            while self._pool is None:  # it was reset meanwhile
                await self._renew(None)
            return self._pool

    def _due(self) -> bool:
        return bool(self._config.files) and asyncio.get_running_loop().time() >= self._check_at

    async def _renew(self, pool: _Pool | None) -> None:
        """Replace the pool, unless nothing has changed. If it was reset meanwhile, nothing is done."""
        self._check_at = asyncio.get_running_loop().time() + CHECK_SECONDS
        # Marks first: what is written while we read is seen as a change at the next look.
        marks = await asyncio.to_thread(self._config.file_marks) if self._config.files else ()
        if pool is not None and marks == self._marks:
            return
        try:
            context = await self._context()
        except ConfigError as error:
            if pool is None:
                raise
            log.warning("the new certificates cannot be used, going on with the old ones", error=str(error))
            return
        if self._pool is not pool:
            return
        if pool is not None:
            log.info("certificates have changed, connecting anew", files=self._config.files)
            self._retire(pool)
        self._marks = marks
        self._pool = _Pool(self._session(context))

    async def _context(self) -> SSLContext | None:
        return await asyncio.to_thread(self._config.ssl_context) if self._config.is_https else None

    def _retire(self, pool: _Pool) -> None:
        if not pool.users:
            self._close(pool)
            return
        self._retired.add(pool)
        pool.retired = asyncio.get_running_loop().call_later(RETIRED_SECONDS, pool.break_off)

    def _close(self, pool: _Pool) -> None:
        self._retired.discard(pool)
        if pool.retired is not None:
            pool.retired.cancel()
        closed = asyncio.ensure_future(pool.session.close())
        self._closing.add(closed)
        closed.add_done_callback(self._closing.discard)

    def _session(self, context: SSLContext | None) -> aiohttp.ClientSession:
        connector = _Connector(
            ssl=context if context is not None else True, limit=0, socket_factory=_socket, ttl_dns_cache=30
        )
        session = aiohttp.ClientSession(
            self._config.server,
            connector=connector,
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        session._retry_connection = False  # it has no public name; a test sees that it still works
        return session


class _Connector(aiohttp.TCPConnector):
    """Its connections take less memory."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        lessen(connection.transport)
        return connection


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within half a minute that its peer has gone."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
