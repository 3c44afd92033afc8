"""A webhook server on a free port, with certificates of its own, and callers that say what they like to it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.rotation import Durations, Step
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.core.webhook import Webhook, WebhookServer

HOST = "hook.things.svc"
PIECE = 1 << 18
"""Bytes; who sends a large body looks for an answer in between."""


def ring_of(hosts: Sequence[str] = (HOST,), now: datetime | None = None) -> Keyring:
    """A CA, and a certificate of it."""
    moment = now or datetime.now(UTC)
    ring = Keyring(tuple(hosts)).do(Step.MAKE_AUTHORITY, "", moment, Durations())
    name = ring.cas[-1].id
    return ring.do(Step.NOTE_TRUST, name, moment, Durations()).do(Step.MAKE_LEAF, name, moment, Durations())


def show(tls: ServerTls, ring: Keyring) -> None:
    """The server shows the ring's certificate."""
    data = ring.to_data()
    tls.load(data["tls.crt"], data["tls.key"], data["ca.crt"])


def trusting(ring: Keyring) -> ssl.SSLContext:
    """What a caller trusts who has the ring's bundle."""
    return ssl.create_default_context(cadata=ring.bundle.decode())


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def response(self) -> dict[str, Any]:
        """The review's answer."""
        found: dict[str, Any] = msgspec.json.decode(self.body)["response"]
        return found


class Caller:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def post(
        self, body: bytes, path: str = "/check", *, kind: str = "application/json", method: str = "POST", **more: str
    ) -> Answer:
        """One call."""
        headers = {"Host": HOST, "Content-Type": kind, "Content-Length": str(len(body)), **more}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
        return await self.say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def say(self, data: bytes) -> Answer:
        """Bytes, and the answer to them, which may come before all of them were taken."""
        sending = asyncio.ensure_future(self._send(data))
        try:
            return await self.answer()
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending

    async def _send(self, data: bytes) -> None:
        for at in range(0, len(data), PIECE):
            self.writer.write(data[at : at + PIECE])
            await self.writer.drain()

    async def answer(self) -> Answer:
        """The next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status = int(head.split()[1])
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-len"))
        return Answer(status, await self.reader.readexactly(length))

    async def closed(self) -> bool:
        """Wait until the server has closed the connection; False if it says something instead."""
        try:
            return not await self.reader.read(1)
        except OSError:
            return True


@asynccontextmanager
async def calling(port: int, ring: Keyring | None = None) -> AsyncIterator[Caller]:
    """A new connection to a server on this machine by whoever trusts that ring, or anybody."""
    context = ssl._create_unverified_context() if ring is None else trusting(ring)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOST, limit=2**24)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


@dataclass(frozen=True)
class Place:
    """A running server."""

    server: WebhookServer
    tls: ServerTls
    metrics: Metrics
    task: "asyncio.Task[None]"

    @asynccontextmanager
    async def caller(self, ring: Keyring | None = None) -> AsyncIterator[Caller]:
        """A new connection by whoever trusts that ring, or anybody."""
        async with calling(self.server.port, ring) as caller:
            yield caller

    async def post(self, body: bytes, path: str = "/check", **more: Any) -> Answer:
        """One call on a connection of its own."""
        async with self.caller() as caller:
            return await caller.post(body, path, **more)


@asynccontextmanager
async def serving(*webhooks: Webhook, ring: Keyring | None = None, **options: Any) -> AsyncIterator[Place]:
    """The webhooks, served."""
    metrics = Metrics()
    tls = ServerTls(metrics=metrics)
    if ring is not None:
        show(tls, ring)
    server = WebhookServer("127.0.0.1:0", tls, webhooks, server_name=HOST, metrics=metrics, **options)
    task = asyncio.create_task(server.run())
    try:
        async with asyncio.timeout(30):
            await server.ready.wait()
        yield Place(server, tls, metrics, task)
    finally:
        task.cancel()
        await asyncio.wait({task})


def review(uid: str = "1", **request: Any) -> bytes:
    """The API server's question, as bytes."""
    asked = {"uid": uid, "operation": "CREATE", "object": {"metadata": {"name": "a"}}, **request}
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked})


def peak_rss(pid: int) -> int:
    """The most memory that the process had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
