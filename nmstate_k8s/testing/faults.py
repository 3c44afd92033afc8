"""What may happen between a client and an API server: the faults that `FaultProxy` carries out.

A fault chooses requests (by verb and kind, so many times) and has three hooks: before a request goes to the server,
when its answer is there, and for each line of a watch. Write another by deriving from `Fault`.
"""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

__all__ = [
    "Asked",
    "Broken",
    "Cut",
    "Delay",
    "Duplicate",
    "Fault",
    "Frozen",
    "HalfOpen",
    "InStream",
    "LostAnswer",
    "OlderList",
    "Reply",
    "Refuse",
    "TornLine",
    "Withheld",
    "asked_for",
]

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch"}
WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Asked:
    """What a request wants, in the words of Kubernetes (get, list, watch, create, update, patch, delete …)."""

    verb: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    page: str = ""
    """Which part of a list, as the client asks for it."""

    @property
    def writes(self) -> bool:
        return self.verb in WRITES


def asked_for(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """What a request to this path wants; a path that is no object's has its whole as kind."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = ([*rest, "", "", ""] if rest else [path, "", ""])[:3]
    if method == "GET":
        verb = "watch" if query.get("watch") in ("true", "1") else "list" if rest and not name else "get"
    elif method == "DELETE":
        verb = "delete" if name else "deletecollection"
    else:
        verb = _VERBS.get(method, method.lower())
    page = f"{query.get('limit', '')}/{query.get('continue', '')}" if verb == "list" else ""
    return Asked(verb, plural, namespace, name, subresource, page)


@dataclass(frozen=True)
class Reply:
    """An answer that the client gets: the server's, or one made up."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Broken(Exception):
    """The connection breaks here; `first` is what still goes through."""

    def __init__(self, first: bytes = b"") -> None:
        super().__init__("the connection breaks")
        self.first = first


@dataclass(eq=False)
class Fault:
    """One that does nothing. Without verbs or kind it chooses every request."""

    verbs: Collection[str] = ()
    plural: str = ""
    times: int | None = None
    """After so many requests (or lines, for a fault of streams) it heals by itself; None: only when told to."""
    breaks: ClassVar[bool] = False
    """Whether what is under way when it comes is broken off, too."""
    healed: asyncio.Event = field(default_factory=asyncio.Event)
    hits: int = 0

    def chooses(self, asked: Asked) -> bool:
        """Whether it is about this request."""
        return (not self.verbs or asked.verb in self.verbs) and self.plural in ("", asked.plural)

    def hit(self) -> None:
        """It struck once."""
        self.hits += 1
        if self.times is not None and self.hits >= self.times:
            self.healed.set()

    async def before(self, asked: Asked) -> Reply | None:
        """Before the request goes on; a reply keeps it from the server. May wait, may raise `Broken`."""
        return None

    async def after(self, asked: Asked, reply: Reply) -> Reply:
        """The server has answered (no watch). May wait, change the answer, raise `Broken`."""
        return reply

    async def line(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        """The server has sent a line of a watch: what the client gets for it. May wait, may raise `Broken`."""
        return (line,)


class Cut(Fault):
    """The network is down: connections break, also those that are open."""

    breaks = True

    async def before(self, asked: Asked) -> Reply | None:
        self.hit()
        raise Broken


class LostAnswer(Fault):
    """The server does what it was asked for, and nobody hears of it."""

    async def after(self, asked: Asked, reply: Reply) -> Reply:
        self.hit()
        raise Broken


class HalfOpen(Fault):
    """Connections are accepted, stay open and say nothing more; after the healing they are dead."""

    async def before(self, asked: Asked) -> Reply | None:
        self.hit()
        await self.healed.wait()
        raise Broken

    async def line(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        await self.healed.wait()
        raise Broken


@dataclass(eq=False)
class Delay(Fault):
    """Everything takes so many seconds longer."""

    seconds: float = 1.0

    async def before(self, asked: Asked) -> Reply | None:
        self.hit()
        await asyncio.sleep(self.seconds)
        return None


@dataclass(eq=False)
class Refuse(Fault):
    """The server answers with an error of this code, and does nothing."""

    code: int = 500
    reason: str = "InternalError"
    retry_after: int | None = None

    async def before(self, asked: Asked) -> Reply | None:
        self.hit()
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Reply(self.code, status(self.code, self.reason), headers)


@dataclass(eq=False)
class InStream(Fault):
    """In place of the next event a watch gets the server's error, and ends."""

    code: int = 410
    reason: str = "Expired"

    async def line(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        self.hit()
        raise Broken(b'{"type":"ERROR","object":' + status(self.code, self.reason) + b"}\n")


class TornLine(Fault):
    """The connection breaks in the middle of a watch's line."""

    async def line(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        self.hit()
        raise Broken(line[: len(line) // 2])


class Duplicate(Fault):
    """Each event of a watch comes twice."""

    async def line(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        self.hit()
        return (line, line)


class Withheld(Fault):
    """A watch stays open and its events do not come, until it is healed: then they come in order."""

    async def line(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        self.hit()
        await self.healed.wait()
        return (line,)


@dataclass(eq=False)
class OlderList(Fault):
    """Lists are answered as the first one was after the fault came: by a server that is behind."""

    first: dict[str, Reply] = field(default_factory=dict)

    async def after(self, asked: Asked, reply: Reply) -> Reply:
        if asked.verb != "list" or reply.status != 200:
            return reply
        self.hit()
        return self.first.setdefault(f"{asked.plural}/{asked.namespace}/{asked.page}", reply)


class Frozen(OlderList):
    """A kind stands still: its lists are old, its watches say nothing, until it is healed."""

    async def line(self, asked: Asked, line: bytes) -> Sequence[bytes]:
        await self.healed.wait()
        return (line,)


def status(code: int, reason: str) -> bytes:
    """The server's way to say that something failed."""
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return json.dumps(told | {"message": f"a fault of the test: {reason}"}).encode()
