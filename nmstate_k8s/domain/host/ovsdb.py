"""Hears of changes in Open vSwitch's database that the kernel does not tell (RFC 7047, monitor).

- Asked for are the global settings (OVN's bridge mappings among them) and the options of bridges: what administrators
  set. Not asked for are ports, interfaces and bridges' external ids: OVN writes those for every pod that comes or goes,
  and statistics every few seconds.
- One connection to the database's socket, on which nothing is asked but that. It is answered when the database asks
  whether anybody is still there.
"""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from nmstate_k8s.domain.desired.errors import HostUnavailable

__all__ = ["SOCKET", "ovsdb_changes"]

SOCKET: Final = Path("/run/openvswitch/db.sock")
"""Where libnmstate looks for it, too."""
MAX_MESSAGE: Final = 1 << 22
"""Characters: what is monitored has a few thousand."""
CHUNK_BYTES: Final = 1 << 16
ANSWER_SECONDS: Final = 10.0
_MONITORED: Final[Mapping[str, tuple[str, ...]]] = {
    "Open_vSwitch": ("external_ids", "other_config"),
    "Bridge": (
        *("name", "other_config", "fail_mode", "datapath_type"),
        *("stp_enable", "rstp_enable", "mcast_snooping_enable"),
    ),
}
_ASKED: Final = "nmstate"


async def ovsdb_changes(path: Path = SOCKET) -> AsyncGenerator[str, None]:
    """ "listening" once the database is heard, then "ovsdb" for each change, for ever.

    Close it (`aclosing`) when done.

    :raises HostUnavailable: if there is no database, or no more.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError as error:
        raise _away(f"{path}: {error.strerror}") from error
    try:
        tables = {name: {"columns": columns, "select": {"initial": False}} for name, columns in _MONITORED.items()}
        _send(writer, {"id": _ASKED, "method": "monitor", "params": ["Open_vSwitch", None, tables]})
        messages = _messages(reader)
        async with asyncio.timeout(ANSWER_SECONDS):
            await _accepted(messages, writer)
        yield "listening"
        async for message in messages:
            if message.get("method") == "update":
                yield "ovsdb"
            else:
                _answer_echo(message, writer)
        raise _away("it closed the connection")
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise _away(str(error) or type(error).__name__) from error
    finally:
        writer.transport.abort()


async def _accepted(messages: AsyncIterator[dict[str, Any]], writer: asyncio.StreamWriter) -> None:
    async for message in messages:
        if message.get("id") == _ASKED and "method" not in message:
            if message.get("error"):
                raise _away(f"it does not tell of changes: {message['error']}")
            return
        _answer_echo(message, writer)
    raise _away("it closed the connection")


def _answer_echo(message: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
    if message.get("method") == "echo":
        _send(writer, {"id": message.get("id"), "result": message.get("params"), "error": None})


def _send(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
    writer.write(json.dumps(message).encode())


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """JSON objects that follow each other without anything in between.

    :raises ValueError: if that is not what comes.
    """
    decoder, text, objects = codecs.getincrementaldecoder("utf-8")(), "", json.JSONDecoder()
    while chunk := await reader.read(CHUNK_BYTES):
        text += decoder.decode(chunk)
        while text := text.lstrip():
            try:
                message, end = objects.raw_decode(text)
            except json.JSONDecodeError:
                if len(text) > MAX_MESSAGE:
                    raise
                break  # the rest is to come
            if not isinstance(message, dict):
                raise ValueError(f"no message: {text[:80]}")
            text = text[end:]
            yield message


def _away(why: str) -> HostUnavailable:
    return HostUnavailable("OvsdbUnavailable", f"Open vSwitch's database: {why}")
