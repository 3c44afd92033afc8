"""How much a TLS connection of ours takes to read into: 64 KB. asyncio's own choice is 256 KB for each.

asyncio writes zeros over that buffer of each connection, so that all of it counts as resident: a watch needs a
connection, and so does each of up to 32 requests at once, and each of up to 500 callers of a server. Nobody else's
connections in the process are touched.

* A server's connections have the small buffer from the first byte (`SmallTls`): strangers who open a connection and
  say nothing must not be given more.
* A client's get it when they are made (`lessen`): the HTTP library makes them, so the large one is there for as long
  as a handshake takes.

Where asyncio keeps its buffer has no public name; `lessen` changes nothing where it is not found, and a test sees
that it is.
"""

import asyncio
from asyncio.sslproto import SSLProtocol
from typing import Any, Final, cast

__all__ = ["READ_BYTES", "SmallTls", "lessen"]

READ_BYTES: Final = 1 << 16
"""Four TLS records."""


class SmallTls(SSLProtocol):
    """TLS between a plain connection and a protocol: what `loop.create_server(ssl=…)` uses, less its memory."""

    max_size = READ_BYTES


def lessen(transport: asyncio.BaseTransport | None) -> None:
    """Give a TLS connection the small buffer. Between two reads there is nothing in it: what came is in OpenSSL."""
    protocol = getattr(transport, "_ssl_protocol", None)
    if isinstance(protocol, SSLProtocol) and protocol.max_size > READ_BYTES and hasattr(protocol, "_ssl_buffer"):
        theirs = cast(Any, protocol)
        theirs.max_size = READ_BYTES  # else it is made large again at the next read
        theirs._ssl_buffer = bytearray(READ_BYTES)
        theirs._ssl_buffer_view = memoryview(theirs._ssl_buffer)
