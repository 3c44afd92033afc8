"""Health and metrics over HTTP.

* `/healthz` and `/livez` ask the live checks, `/readyz` the ready checks: 200 `ok`, or 503 with a line for
  each check, in controller-runtime's form; `?verbose` shows the lines in any case, `?exclude=NAME` leaves a check
  out, `/readyz/NAME` asks one. A check passes unless it raises, or returns False or a text.
* `/metrics` is the registry in Prometheus' format.
* A server that strangers can reach has a `doorkeeper`; of HTTPS, a handshake takes at most five seconds.
* An address that another process has is waited for, where that is wanted; else it is a failure at once.
* A server listens before anything else starts and until everything else has stopped.

`aiohttp.web` is imported when a server runs, not before.
"""

import asyncio
import errno
import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from nmstate_k8s.core.doorkeeper import Doorkeeper
from nmstate_k8s.core.tlsbuffers import SmallTls

if TYPE_CHECKING:
    import ssl

    from aiohttp import web
    from aiohttp.typedefs import Middleware

__all__ = ["Check", "HealthChecks", "HttpServer", "health_routes", "metrics_routes", "parse_address"]

CHECK_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 1.0
HANDSHAKE_SECONDS: Final = 5.0

Check = Callable[[], "bool | str | Awaitable[bool | str | None] | None"]
Handler = Callable[["web.Request"], "Awaitable[web.StreamResponse]"]

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


def parse_address(address: str) -> tuple[str | None, int]:
    """`host:port`, `:port` or `[v6]:port`; the host is None where all are meant.

    :raises ValueError: if it is neither.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"an address is host:port or :port, not {address!r}")
    return host.removeprefix("[").removesuffix("]") or None, int(port)


class HealthChecks:
    """Named checks, asked one after the other."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """
        :raises ValueError: if the name is taken.
        """
        if name in self._checks:
            raise ValueError(f"there is a check {name!r} already")
        self._checks[name] = check

    async def problems(self, only: str = "", exclude: Collection[str] = ()) -> dict[str, str]:
        """What is wrong, by check; "" for those that pass.

        :raises KeyError: if there is no check `only`.
        """
        names = [only] if only else [name for name in self._checks if name not in exclude]
        return {name: await self._problem(self._checks[name]) for name in names}

    async def _problem(self, check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                verdict = check()
                if inspect.isawaitable(verdict):
                    verdict = await verdict
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 - raising is how a check says that it fails
            return str(error) or type(error).__name__
        if isinstance(verdict, str):
            return verdict
        return "failed" if verdict is False else ""


class HttpServer:
    """A small HTTP server as a runnable. `ready` is set, and `port` known, when it listens."""

    def __init__(
        self,
        address: str,
        routes: Mapping[str, Handler],
        *,
        name: str = "http",
        wait_seconds: float = 0.0,
        ssl_context: "ssl.SSLContext | None" = None,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        """`wait_seconds`: for an address that another process has, which may be about to end.
        `ssl_context`: HTTPS (`tls.ServerTls` has one whose certificate can be replaced).
        `doorkeeper`: for a server that strangers can reach.
        """
        self._host, self.port = parse_address(address)
        self._wait = wait_seconds
        self._ssl_context = ssl_context
        self._doorkeeper = doorkeeper
        self._routes = routes
        self.name = name
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled.

        :raises OSError: if the address cannot be had.
        """
        from aiohttp import web

        app = web.Application()
        for path, handler in self._routes.items():
            app.router.add_get(path, handler)
        await self._serve(app, shutdown_timeout=1.0)

    async def _serve(self, app: "web.Application", **options: Any) -> None:
        """Serve an application; `options` are those of `web.AppRunner`."""
        from aiohttp import web

        if self._doorkeeper is not None:
            app.middlewares.append(_at_work(self._doorkeeper))
            options["keepalive_timeout"] = self._doorkeeper.idle_seconds
        runner = web.AppRunner(app, access_log=None, handle_signals=False, **options)
        await runner.setup()
        try:
            assert runner.server is not None
            keeper = self._doorkeeper
            listener = await self._listen(runner.server if keeper is None else keeper.admit(runner.server))
            try:
                self.port = listener.sockets[0].getsockname()[1]
                log.info("serving", server=self.name, port=self.port)
                self.ready.set()
                await asyncio.Event().wait()
            finally:
                listener.close()
        finally:
            await runner.cleanup()

    async def _listen(self, protocols: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        deadline, told = loop.time() + self._wait, False
        context = self._ssl_context
        accept = protocols if context is None else lambda: _over_tls(loop, protocols(), context)
        while True:
            try:
                return await loop.create_server(accept, self._host, self.port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or loop.time() >= deadline:
                    raise
            if not told:
                log.warning("another process has the address, waiting", server=self.name, port=self.port)
                told = True
            await asyncio.sleep(AGAIN_SECONDS)


def _over_tls(
    loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, context: "ssl.SSLContext"
) -> asyncio.BaseProtocol:
    """What `create_server(ssl=…)` does for a connection, with the small buffer."""
    handshake: Any = HANDSHAKE_SECONDS  # by its types it has whole seconds only
    nobody: Any = None  # waits for the handshake: the protocol hears of it when it is done
    return SmallTls(loop, protocol, context, nobody, server_side=True, ssl_handshake_timeout=handshake)


def _at_work(doorkeeper: Doorkeeper) -> "Middleware":
    """Tells the doorkeeper which connections are not idle."""
    from aiohttp import web

    @web.middleware
    async def at_work(request: "web.Request", handler: Handler) -> "web.StreamResponse":
        with doorkeeper.at_work(request.protocol):
            return await handler(request)

    return at_work


def health_routes(live: HealthChecks, ready: HealthChecks) -> dict[str, Handler]:
    """The routes that a kubelet asks."""
    routes: dict[str, Handler] = {}
    for path, checks in (("/healthz", live), ("/livez", live), ("/readyz", ready)):
        routes[path] = routes[f"{path}/{{check}}"] = _answer(checks, path[1:])
    return routes


def metrics_routes(registry: CollectorRegistry) -> dict[str, Handler]:
    """The route that Prometheus asks."""

    async def handler(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return {"/metrics": handler}


def _answer(checks: HealthChecks, probe: str) -> Handler:
    async def handler(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        only = request.match_info.get("check", "")
        try:
            problems = await checks.problems(only, request.query.getall("exclude", []))
        except KeyError:
            return web.Response(text=f"there is no check {only!r}\n", status=404)
        failed = any(problems.values())
        if not failed and "verbose" not in request.query:
            return web.Response(text="ok")
        lines = [f"[-]{name} failed: {text}" if text else f"[+]{name} ok" for name, text in problems.items()]
        lines.append(f"{probe} check {'failed' if failed else 'passed'}")
        return web.Response(text="\n".join(lines) + "\n", status=503 if failed else 200)

    return handler
