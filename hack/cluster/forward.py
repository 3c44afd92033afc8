"""From a loopback port of the host to an address in the lab's network: bytes, untouched, both ways."""

from __future__ import annotations

import asyncio
import contextlib
import socket

__all__ = ["serve"]

CHUNK = 1 << 16


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of one direction, and pass that end on."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except ConnectionError:
        writer.close()  # the other direction ends with it


async def _pass(host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        there_reader, there_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.close()  # the client sees a closed connection, as with any server that is down
        return
    try:
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
    finally:
        for end in (writer, there_writer):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()


def serve(listener: int, host: str, port: int) -> None:
    """Forward each connection of the listening socket, for ever."""

    async def forever() -> None:
        server = await asyncio.start_server(
            lambda reader, writer: _pass(host, port, reader, writer), sock=socket.socket(fileno=listener), limit=CHUNK
        )
        async with server:
            await server.serve_forever()

    asyncio.run(forever())
