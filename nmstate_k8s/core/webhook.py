"""Admission webhooks over HTTPS: every call is answered, in time, whatever comes.

* A body that is no AdmissionReview gets a 4xx with a sentence that says why; one that is too large, compressed or
  too slow is not read to its end. Bodies are read only when a place is free, so memory is bounded by
  `max_running` times `max_body`; at most `max_waiting` calls wait for one, the rest are answered 429 at once.
* A call is answered before the API server gives up: within `call_seconds`, and within nine tenths of the `timeout`
  that the API server names.
* A handler that raises, is too slow or answers nonsense is contained: the webhook's `on_failure` says whether that
  means yes, with a warning, or no.
* Connections are few, and none may only hold its place (`doorkeeper`); a handshake takes at most five seconds.
* The certificate is replaced while calls are running (`tls`); a connection that was shown the one before ends with
  its next answer. When `run` is cancelled, running calls are finished.

`aiohttp.web` is imported when a server runs, not before.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import structlog

from nmstate_k8s.core.admission import (
    AdmissionRequest,
    Decision,
    MalformedReview,
    allow,
    decode_review,
    deny,
    encode_review,
)
from nmstate_k8s.core.doorkeeper import Doorkeeper
from nmstate_k8s.core.metrics import METRICS, Metrics
from nmstate_k8s.core.serving import HttpServer
from nmstate_k8s.core.tls import ServerTls

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Webhook", "WebhookHandler", "WebhookServer"]

MAX_BODY: Final = 7 * 1024 * 1024
"""An update brings an object twice; the API server takes 3 MiB of one."""
LINGER_SECONDS: Final = 3.0
"""How long the rest of a body that was refused is thrown away, so that the refusal reaches who sends it."""

WebhookHandler = Callable[[AdmissionRequest], Awaitable[Decision]]

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A path, who answers there, and what it means if he cannot."""

    path: str
    handler: WebhookHandler
    on_failure: Literal["allow", "deny"]


class _Refused(Exception):
    """The call gets this HTTP status and sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class WebhookServer(HttpServer):
    """Serves webhooks. Add it with `Manager.add_server`, and its `check` as a readiness check."""

    def __init__(
        self,
        address: str,
        tls: ServerTls,
        webhooks: Sequence[Webhook],
        *,
        server_name: str,
        callers: Callable[[], Mapping[str, bytes]] | None = None,
        call_seconds: float = 8.0,
        body_seconds: float = 0.8,
        max_body: int = MAX_BODY,
        max_running: int = 8,
        max_waiting: int = 100,
        doorkeeper: Doorkeeper | None = None,
        metrics: Metrics = METRICS,
    ) -> None:
        """`server_name`: by which we are called. `callers`: who calls us, and the bundle of CAs that each has now
        (`certcontroller.Callers`); without, all have the bundle that came with the certificate.
        """
        super().__init__(address, {}, name="webhook", ssl_context=tls.context, doorkeeper=doorkeeper or Doorkeeper())
        self._tls = tls
        self._webhooks = webhooks
        self._server_name = server_name
        self._callers = callers or (lambda: {"whoever has our bundle": tls.authorities})
        self._call_seconds = call_seconds
        self._body_seconds = body_seconds
        self._max_body = max_body
        self._places = asyncio.Semaphore(max_running)
        self._waiting = 0
        self._max_waiting = max_waiting
        self._metrics = metrics

    async def check(self) -> str:
        """Readiness: "" if all who call us reach us under our name and trust what we show, else what is wrong."""
        if not self._tls.loaded:
            return "there is no certificate yet"
        if not self.ready.is_set():
            return "the server does not listen yet"
        for who, bundle in self._callers().items():
            if not bundle:
                return f"{who} does not trust us yet"
            if problem := await self._call(bundle):
                return f"{who} cannot call us: {problem}"
        return ""

    async def _call(self, bundle: bytes) -> str:
        """What is wrong if somebody with this bundle calls."""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=bundle.decode())
            host, name = self._host or "localhost", self._server_name
            _, writer = await asyncio.open_connection(host, self.port, ssl=context, server_hostname=name)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            return str(error) or type(error).__name__
        writer.transport.abort()
        return ""

    async def run(self) -> None:
        from aiohttp import web

        app = web.Application(client_max_size=self._max_body)
        for webhook in self._webhooks:
            app.router.add_post(webhook.path, self._route(webhook))
        await self._serve(
            app, shutdown_timeout=self._call_seconds, auto_decompress=False, lingering_time=LINGER_SECONDS
        )

    def _route(self, webhook: Webhook) -> "Callable[[web.Request], Awaitable[web.StreamResponse]]":
        total = self._metrics.webhook_requests
        running = self._metrics.webhook_in_flight.labels(webhook.path)
        seconds = self._metrics.webhook_seconds.labels(webhook.path)
        for code in (200, 500):
            total.labels(webhook.path, str(code))

        async def route(request: "web.Request") -> "web.StreamResponse":
            from aiohttp import web

            started = time.monotonic()
            with running.track_inprogress():
                try:
                    answer = web.Response(body=await self._answer(webhook, request), content_type="application/json")
                except _Refused as refused:
                    log.warning("webhook call refused", path=webhook.path, status=refused.status, error=str(refused))
                    answer = web.Response(text=f"{refused}\n", status=refused.status)
                    answer.force_close()  # what is left of the body is not waited for
            if not self._tls.shown_to(request.get_extra_info("ssl_object")):
                answer.force_close()  # the next call is to see the new certificate
            seconds.observe(time.monotonic() - started)
            total.labels(webhook.path, str(answer.status)).inc()
            return answer

        return route

    async def _answer(self, webhook: Webhook, request: "web.Request") -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(self._call_seconds, _timeout(request.query.get("timeout", "")) * 0.9)
        self._check_head(request)
        if self._waiting >= self._max_waiting:
            raise _Refused(429, "too many calls at once")
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        except TimeoutError:
            raise _Refused(503, "no time was left when the turn came") from None
        finally:
            self._waiting -= 1
        try:
            review = await self._review(request)
            return await self._decide(webhook, review, deadline)
        finally:
            self._places.release()

    def _check_head(self, request: "web.Request") -> None:
        if request.content_type != "application/json":
            raise _Refused(415, f"the body must be application/json, not {request.content_type[:100]!r}")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise _Refused(415, "the body must not be compressed")
        if (request.content_length or 0) > self._max_body:
            raise _Refused(413, f"the body is larger than {self._max_body} bytes")

    async def _review(self, request: "web.Request") -> AdmissionRequest:
        from aiohttp import web

        try:
            async with asyncio.timeout(self._body_seconds):
                body = await request.read()
        except TimeoutError:
            raise _Refused(408, f"the body did not arrive within {self._body_seconds:g} s") from None
        except web.HTTPRequestEntityTooLarge:
            raise _Refused(413, f"the body is larger than {self._max_body} bytes") from None
        except (web.RequestPayloadError, ConnectionError) as error:
            raise _Refused(400, f"the body ended too early: {error}") from error
        try:
            return decode_review(body)
        except MalformedReview as error:
            raise _Refused(400, str(error)) from error

    async def _decide(self, webhook: Webhook, review: AdmissionRequest, deadline: float) -> bytes:
        """The answer, ready to be sent: one that cannot be encoded is the handler's failure, too."""
        about = f"{review.operation} {review.kind.kind} {review.name}".strip()
        try:
            async with asyncio.timeout_at(deadline):
                decision = await webhook.handler(review)
            return encode_review(review.uid, decision)
        except TimeoutError as error:
            problem = "took too long"
            log.exception("webhook is too slow", path=webhook.path, about=about, exc_info=error)
        except (Exception, asyncio.CancelledError) as error:  # its bug is this request's misfortune, not the server's
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # we are cancelled; otherwise something within the handler was
            problem = f"failed ({type(error).__name__})"
            self._metrics.webhook_panics.inc()
            log.exception("webhook failed", path=webhook.path, about=about)
        text = f"the admission webhook {webhook.path} {problem} on {about}; its log tells more"
        if webhook.on_failure == "deny":
            return encode_review(review.uid, deny(text, code=500, reason="InternalError"))
        return encode_review(review.uid, allow(warnings=[f"not checked: {text}"]))


def _timeout(text: str) -> float:
    """The API server's own limit, as it says it (`10s`); without one there is none."""
    number = text.removesuffix("s")
    try:
        return max(0.1, float(number)) if number else float("inf")
    except ValueError:
        return float("inf")
