"""Changes of Open vSwitch's database, told by a server that speaks its protocol (RFC 7047)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.domain.desired.errors import HostUnavailable
from nmstate_k8s.domain.host.ovsdb import ovsdb_changes

pytestmark = pytest.mark.asyncio

UPDATE = {"id": None, "method": "update", "params": [None, {"Open_vSwitch": {"u": {"new": {"external_ids": "ä"}}}}]}
ECHO = {"id": "echo", "method": "echo", "params": ["there?"]}


class Database:
    """Its one client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def heard(self) -> Any:
        """The next message; each comes in one piece from us."""
        return json.loads(await self._reader.read(1 << 16))

    def say(self, *messages: Any, pieces: int = 1) -> None:
        """All in a row, or cut into so many pieces, also amid a character."""
        data = b"".join(json.dumps(each, ensure_ascii=False).encode() for each in messages)
        size = max(1, len(data) // pieces)
        for at in range(0, len(data), size):
            self._writer.write(data[at : at + size])

    def hang_up(self) -> None:
        self._writer.close()


@asynccontextmanager
async def database(path: Path) -> AsyncIterator[Callable[[], Any]]:
    """A server at `path`; what it gives waits for its next client."""
    clients = asyncio.Queue[Database]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.put_nowait(Database(reader, writer))

    async with await asyncio.start_unix_server(accept, str(path)):
        yield clients.get


async def listening(path: Path, clients: Any) -> tuple[Any, Database]:
    """Somebody who listens, and the database that has accepted it."""
    changes = ovsdb_changes(path)
    first = asyncio.ensure_future(anext(changes))
    server = await clients()
    asked = await server.heard()
    assert asked["method"] == "monitor"
    assert asked["params"][0] == "Open_vSwitch"
    server.say({"id": asked["id"], "result": {}, "error": None})
    assert await first == "listening"
    return changes, server


async def test_each_update_is_a_change(tmp_path: Path) -> None:
    """However the stream is cut; that the database asks whether we live is none, and is answered."""
    async with asyncio.timeout(20), database(tmp_path / "db.sock") as clients:
        changes, server = await listening(tmp_path / "db.sock", clients)
        async with aclosing(changes):
            server.say(UPDATE, UPDATE)
            assert [await anext(changes), await anext(changes)] == ["ovsdb", "ovsdb"]
            server.say(ECHO, UPDATE, pieces=40)
            assert await anext(changes) == "ovsdb"
            assert await server.heard() == {"id": "echo", "result": ["there?"], "error": None}
        server.hang_up()


async def test_what_changes_with_every_pod_is_not_asked_for(tmp_path: Path) -> None:
    """Ports, interfaces, external ids of bridges, statistics."""
    async with asyncio.timeout(20), database(tmp_path / "db.sock") as clients:
        waiting = asyncio.ensure_future(anext(ovsdb_changes(tmp_path / "db.sock")))
        server = await clients()
        tables = (await server.heard())["params"][2]
        assert set(tables) == {"Open_vSwitch", "Bridge"}
        assert set(tables["Open_vSwitch"]["columns"]) == {"external_ids", "other_config"}
        assert {"ports", "external_ids", "status"}.isdisjoint(tables["Bridge"]["columns"])
        assert all(table["select"] == {"initial": False} for table in tables.values())
        server.hang_up()
        with pytest.raises(HostUnavailable, match="closed the connection"):
            await waiting


async def test_a_node_without_open_vswitch_has_no_database(tmp_path: Path) -> None:
    """Said in words; a socket that nobody listens to any more as well."""
    with pytest.raises(HostUnavailable, match="No such file"):
        await anext(ovsdb_changes(tmp_path / "db.sock"))
    async with database(tmp_path / "db.sock"):
        pass
    with pytest.raises(HostUnavailable, match=r"No such file|refused"):
        await anext(ovsdb_changes(tmp_path / "db.sock"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"id": "nmstate", "result": None, "error": {"error": "unknown column"}}, "unknown column"),
        ([1, 2], "no message"),
    ],
)
async def test_a_database_that_does_not_tell_is_no_endless_wait(tmp_path: Path, said: Any, why: str) -> None:
    """One of an older schema, or something else at that socket."""
    async with asyncio.timeout(20), database(tmp_path / "db.sock") as clients:
        waiting = asyncio.ensure_future(anext(ovsdb_changes(tmp_path / "db.sock")))
        server = await clients()
        await server.heard()
        server.say(said)
        with pytest.raises(HostUnavailable, match=why):
            await waiting
        server.hang_up()


async def test_a_database_that_ends_is_told(tmp_path: Path) -> None:
    """What changes until it is back is not known."""
    async with asyncio.timeout(20), database(tmp_path / "db.sock") as clients:
        changes, server = await listening(tmp_path / "db.sock", clients)
        server.hang_up()
        with pytest.raises(HostUnavailable):
            await anext(changes)
