"""Health and metrics over HTTP.

* `/healthz` and `/livez` ask the live checks, `/readyz` the ready checks: 200 `ok`, or 503 with a line for
  each check that fails; `?verbose` shows all. A check passes unless it raises, or returns False or a text.
* `/metrics` is the registry in Prometheus' format.
* An address that another process has is waited for, where that is wanted; else it is a failure at once.
* A server listens before anything else starts and until everything else has stopped.

`aiohttp.web` is imported when a server runs, not before.
"""

import asyncio
import errno
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Check", "HealthChecks", "HttpServer", "health_routes", "metrics_routes", "parse_address"]

CHECK_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 1.0

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

    async def problems(self) -> dict[str, str]:
        """What is wrong, by check; "" for those that pass."""
        return {name: await self._problem(check) for name, check in self._checks.items()}

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
        self, address: str, routes: Mapping[str, Handler], *, name: str = "http", wait_seconds: float = 0.0
    ) -> None:
        """`wait_seconds`: for an address that another process has, which may be about to end."""
        self._host, self.port = parse_address(address)
        self._wait = wait_seconds
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
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await self._listen(runner)
            self.port = runner.addresses[0][1]
            log.info("serving", server=self.name, port=self.port)
            self.ready.set()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _listen(self, runner: "web.AppRunner") -> None:
        from aiohttp import web

        loop = asyncio.get_running_loop()
        deadline, told = loop.time() + self._wait, False
        while True:
            site = web.TCPSite(runner, self._host, self.port)
            try:
                await site.start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE or loop.time() >= deadline:
                    raise
                await site.stop()
            else:
                return
            if not told:
                log.warning("another process has the address, waiting", server=self.name, port=self.port)
                told = True
            await asyncio.sleep(AGAIN_SECONDS)


def health_routes(live: HealthChecks, ready: HealthChecks) -> dict[str, Handler]:
    """The routes that a kubelet asks."""
    return {"/healthz": _answer(live), "/livez": _answer(live), "/readyz": _answer(ready)}


def metrics_routes(registry: CollectorRegistry) -> dict[str, Handler]:
    """The route that Prometheus asks."""

    async def handler(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return {"/metrics": handler}


def _answer(checks: HealthChecks) -> Handler:
    async def handler(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        problems = await checks.problems()
        failed = {name: text for name, text in problems.items() if text}
        if not failed and "verbose" not in request.query:
            return web.Response(text="ok")
        lines = [f"[-] {name}: {text}" if text else f"[+] {name} ok" for name, text in problems.items()]
        return web.Response(text="\n".join(lines) + "\n", status=503 if failed else 200)

    return handler
