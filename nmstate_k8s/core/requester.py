"""One request to the API server, tried as often as it may be: what all verbs are made of.

* What may be repeated is repeated (`retry`); every try ends within `request_timeout` seconds.
* `reset_connections` abandons every connection, breaks open watches and ends pauses, so that everything
  resumes at once over new connections: for a process whose address moves under its feet.
* A `fenced` client asks before each write whether it may still be sent: for what only a leader may write.
* What the server warns of is logged, each text once.
"""

import asyncio
import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import structlog

from nmstate_k8s.core import wire
from nmstate_k8s.core.clock import SYSTEM_CLOCK, Clock
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import ApiError, NeverSent, Unavailable
from nmstate_k8s.core.metrics import METRICS, Metrics
from nmstate_k8s.core.retry import NO_RETRY, RetryPolicy
from nmstate_k8s.core.transport import Fence, HttpTransport, Request, Response, Transport

__all__ = ["Requester"]

MAX_WARNINGS: Final = 200
"""So many different warnings are remembered, in order not to log them twice."""

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Requester:
    """A connection pool to one API server. Use it as an async context manager."""

    def __init__(
        self,
        config: ClusterConfig,
        *,
        clock: Clock = SYSTEM_CLOCK,
        transport: Transport | None = None,
        user_agent: str = "nmstate-k8s",
        request_timeout: float = 30.0,
        watch_idle_seconds: float = 150.0,
        page_size: int = 500,
        retry: RetryPolicy | None = None,
        metrics: Metrics = METRICS,
    ) -> None:
        self.config = config
        self.clock = clock
        self.metrics = metrics
        self._transport = transport or HttpTransport(config, user_agent=user_agent)
        self._timeout = request_timeout
        self._page_size = page_size
        self._watch_idle = watch_idle_seconds
        self._retry = retry or RetryPolicy()
        self._fence: Fence | None = None
        self._wake = _Wake()
        self._host = config.host
        self._warned: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Abandon all connections."""
        await self._transport.close()

    def reset_connections(self) -> None:
        """Abandon all connections; watches and repeatable requests go on at once over new ones."""
        self._transport.reset()
        self._wake.everybody()

    async def pause(self, seconds: float) -> None:
        """Wait before trying again; `reset_connections` ends the wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.event.wait()

    def fenced(self, fence: Fence) -> Self:
        """This client, whose writes are sent only if `fence` does not raise right before. Reads are as always.

        Connections, credentials and all else are shared; closing either closes both.
        """
        made = copy.copy(self)
        made._fence = fence
        return made

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] | Sequence[Any] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        new_connection: bool = False,
        repeatable: bool | None = None,
        urgent: bool = False,
    ) -> bytes:
        """Any request; the answer's body.

        `repeatable`: whether it may be sent again when its answer was lost; None: as is usual for its method.
        `new_connection`: one try over a connection of its own, which is the honest question whether the
        API server can be reached now.
        `urgent`: it does not wait for a place among the requests in flight. For the few that must not be late.

        :raises ApiError: if the answer is not 2xx, or there is none.
        :raises CoreError: what the fence raised; nothing was sent then.
        """
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        fence = None if method in ("GET", "HEAD") else self._fence
        request = Request(method, path, query or {}, data, content_type, accept, fence, repeatable, urgent)
        policy = NO_RETRY if new_connection else retry or self._retry
        attempt = 1
        maybe_done = False
        while True:
            try:
                return await self._once(request, timeout or self._timeout, new_connection)
            except ApiError as error:
                error.attempts, error.maybe_done = attempt, maybe_done
                delay = policy.delay(error, attempt, request)
                if delay is None:
                    raise
                lost = isinstance(error, Unavailable) and not isinstance(error, NeverSent)
                maybe_done = maybe_done or (lost and method not in ("GET", "HEAD"))
                attempt += 1
            await self.pause(delay)

    async def _once(self, request: Request, timeout: float, new_connection: bool) -> bytes:
        try:
            response = await self._transport.send(request, timeout=timeout, new_connection=new_connection)
        except ApiError:
            self.metrics.request("<error>", request.method, self._host)
            raise
        self.metrics.request(response.status, request.method, self._host)
        self._log_warnings(request, response)
        if 200 <= response.status < 300:
            return response.body
        raise wire.failure(request, response)

    def _log_warnings(self, request: Request, response: Response) -> None:
        for text in response.warnings:
            if text not in self._warned and len(self._warned) < MAX_WARNINGS:
                self._warned.add(text)
                log.warning("the API server warns", request=str(request), warning=text)


class _Wake:
    """Ends pauses; shared with the clients that were made of this one."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def everybody(self) -> None:
        ended, self.event = self.event, asyncio.Event()
        ended.set()
