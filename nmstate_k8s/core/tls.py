"""The certificate that a server shows, replaceable while it serves.

* `load` changes what new handshakes see; connections that are open go on. A pair that does not fit changes nothing.
* Keys come as bytes (from a Secret) and never touch a disk: OpenSSL reads them from memory files.
* TLS 1.2 and 1.3, with forward secrecy and authenticated encryption only.

Each certificate has a context of its own, and a handshake is moved to the newest one at its beginning. To load a
second certificate into one context would replace the first one only if both keys are of the same kind.
"""

import mmap
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nmstate_k8s.core.errors import ConfigError
from nmstate_k8s.core.metrics import METRICS, Metrics

__all__ = ["ServerTls"]

TLS_1_2_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ServerTls:
    """One server's certificate, none at first: until there is one, every handshake fails."""

    def __init__(self, *, metrics: Metrics = METRICS) -> None:
        self.context = _context()
        """What the server is to listen with."""
        self.context.sni_callback = self._begin
        self.authorities = b""
        """The CAs that our callers are to trust, PEM; empty if they are not known."""
        self._current: ssl.SSLContext | None = None
        self._pair: tuple[bytes, bytes] = (b"", b"")
        self._reads = metrics.certificate_reads
        self._errors = metrics.certificate_errors

    @property
    def loaded(self) -> bool:
        """Whether there is a certificate."""
        return self._current is not None

    @property
    def certificate(self) -> bytes:
        """What is shown, PEM; empty if there is nothing."""
        return self._pair[0]

    def shown_to(self, connection: ssl.SSLObject | None) -> bool:
        """Whether what is shown now is what that connection was shown."""
        return connection is not None and connection.context is self._current

    def load(self, certificate: bytes, key: bytes, authorities: bytes = b"") -> bool:
        """Show this certificate (a chain, PEM) from now on; whether it is another than before.

        :raises ConfigError: if they cannot be used together; what was shown before is still shown.
        """
        self._reads.inc()
        changed = (certificate, key) != self._pair
        if changed:
            context = _context()
            try:
                _use(context, certificate, key)
            except ConfigError:
                self._errors.inc()
                raise
            self._current, self._pair = context, (certificate, key)
        self.authorities = authorities
        return changed

    def _begin(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        """A handshake begins, with or without a name (SNI): it goes on with the newest certificate."""
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS_1_2_CIPHERS)
    # A resumed session would go on with a certificate that was replaced.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    return context


def _use(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    try:
        with _in_memory(certificate) as cert_file, _in_memory(key) as key_file:
            context.load_cert_chain(cert_file, key_file, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise ConfigError(f"the server's certificate cannot be used: {error}") from error


def _no_password() -> str:
    """Without it OpenSSL asks for the password of an encrypted key on the terminal, and waits."""
    raise ValueError("the key is encrypted")


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A file that has no name on any disk.

    :raises ValueError: if there is nothing to put in it.
    """
    if not content:
        raise ValueError("it is empty")
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, len(content))
        with mmap.mmap(descriptor, len(content)) as memory:
            memory[:] = content
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
