"""A server's certificate, changed while it serves."""

import asyncio
import ssl
from datetime import UTC, datetime

import pytest

from nmstate_k8s.core.errors import ConfigError
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.tls import ServerTls
from tests.core.webhookkit import HOST, ring_of, show, trusting

pytestmark = pytest.mark.asyncio

RING, OTHER = ring_of(), ring_of()


async def handshake(tls: ServerTls, context: ssl.SSLContext) -> str | None:
    """Shake hands with a server that uses it; the protocol's version."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOST)
        version: str | None = writer.get_extra_info("ssl_object").version()
        writer.transport.abort()
    return version


async def test_a_certificate_is_shown_from_the_next_handshake_on() -> None:
    """Before there is one, no handshake succeeds."""
    tls = ServerTls(metrics=Metrics())
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(tls, trusting(RING))
    for ring in (RING, OTHER):
        show(tls, ring)
        assert await handshake(tls, trusting(ring)) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(tls, trusting(RING))


async def test_a_caller_without_a_name_is_shown_it_too() -> None:
    """Who calls by an address sends no SNI."""
    tls = ServerTls(metrics=Metrics())
    show(tls, RING)
    context = trusting(RING)
    context.check_hostname = False
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="")
        assert writer.get_extra_info("peercert")
        writer.transport.abort()


async def test_old_protocols_are_refused() -> None:
    """TLS 1.2 is the oldest."""
    tls = ServerTls(metrics=Metrics())
    show(tls, RING)
    old = trusting(RING)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await handshake(tls, old) == "TLSv1.2"
    old.set_ciphers("AES128-SHA")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(tls, old)


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"garbage", b"garbage", id="garbage"),
        pytest.param(RING.to_data()["tls.crt"], OTHER.to_data()["tls.key"], id="another one's key"),
        pytest.param(RING.to_data()["tls.crt"], b"", id="no key"),
    ],
)
async def test_what_does_not_fit_changes_nothing(certificate: bytes, key: bytes) -> None:
    """What was shown is still shown."""
    metrics = Metrics()
    tls = ServerTls(metrics=metrics)
    show(tls, RING)
    with pytest.raises(ConfigError, match="cannot be used"):
        tls.load(certificate, key)
    assert await handshake(tls, trusting(RING))
    assert metrics.registry.get_sample_value("certwatcher_read_certificate_errors_total") == 1
    assert metrics.registry.get_sample_value("certwatcher_read_certificate_total") == 2


async def test_the_same_certificate_again_is_no_change() -> None:
    """So nobody logs it."""
    tls = ServerTls(metrics=Metrics())
    data = ring_of(now=datetime.now(UTC)).to_data()
    assert tls.load(data["tls.crt"], data["tls.key"], data["ca.crt"]) is True
    assert tls.load(data["tls.crt"], data["tls.key"], data["ca.crt"]) is False
