"""The moments at which a crash plan ends a process: right before or right after one of its writes.

* A write is known by what it does and by its number among its likes ("PATCH …/policies/p/status #2"), not by its
  place in the order of all: that depends on which of several workers was faster.
* *Before*: it never reaches the server. *After*: the server has answered, and nobody reads the answer.
* Once dead nothing gets out: whatever the old life still asks for raises `Killed`, which no code catches as an error.
* The renewals of a lease are not told apart: how many there are depends on how long the run took. Its first write is
  a point like any other.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from nmstate_k8s.core.transport import Request, Response, Stream, Transport

__all__ = ["CrashTransport", "Killed", "Moment", "Point", "Write"]

READS: Final = frozenset({"GET", "HEAD"})
LEASES: Final = "/apis/coordination.k8s.io/"
EVENTS: Final = "/apis/events.k8s.io/"


class Killed(BaseException):
    """This process is no more. Not an Exception: a dead process handles no errors."""


class Moment(StrEnum):
    """When, as seen from the write."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Write:
    """One of a process's writes."""

    what: str
    """Method and path, and the name of what is created."""
    number: int
    """Among those that are the same, from 1."""

    def __str__(self) -> str:
        return f"{self.what} #{self.number}"


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process ends."""

    moment: Moment
    write: Write

    def __str__(self) -> str:
        return f"{self.moment} {self.write}"


def what(request: Request) -> str:
    """What a write does, in words that are the same in each run."""
    path = f"{request.method} {request.path}"
    if request.method != "POST":
        return path
    body: dict[str, Any] = msgspec.json.decode(request.body or b"{}")
    if request.path.startswith(EVENTS):  # its own name is chance
        return f"{path} {body.get('reason', '')} {body.get('regarding', {}).get('name', '')}"
    return f"{path} {body.get('metadata', {}).get('name', '')}"


class CrashTransport:
    """A `Transport` that notes the writes that go over another one, and dies at a point."""

    def __init__(self, transport: Transport, point: Point | None = None, die: Callable[[], None] | None = None) -> None:
        """
        :param die: instead of raising `Killed`; for a process that really kills itself.
        """
        self._transport = transport
        self._point = point
        self._really_die = die
        self._numbers: Counter[str] = Counter()
        self._leased = False
        self.writes: list[Write] = []
        """Those that are points, in the order in which they were begun."""
        self.died = asyncio.Event()

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        self._live()
        write = self._note(request)
        if write and self._point == Point(Moment.BEFORE, write):
            self._die()
        response = await self._transport.send(request, timeout=timeout, new_connection=new_connection)
        self._live()
        if write and self._point == Point(Moment.AFTER, write):
            self._die()
        return response

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[Stream]:
        self._live()
        async with self._transport.stream(request, idle_seconds=idle_seconds) as stream:
            yield stream

    def reset(self) -> None:
        self._transport.reset()

    async def close(self) -> None:
        await self._transport.close()

    def _note(self, request: Request) -> Write | None:
        """The write; None: it is none, or one that is not told apart."""
        if request.method in READS:
            return None
        if request.path.startswith(LEASES):
            if self._leased:
                return None
            self._leased = True
        name = what(request)
        self._numbers[name] += 1
        write = Write(name, self._numbers[name])
        self.writes.append(write)
        return write

    def _live(self) -> None:
        if self.died.is_set():
            raise Killed

    def _die(self) -> None:
        if self._really_die is not None:
            self._really_die()
        self.died.set()
        self._transport.reset()  # every socket is cut: no watch brings news any more, no answer arrives
        raise Killed
