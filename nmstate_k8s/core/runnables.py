"""Things that run until they are told to stop, and groups of them that live and end together.

* A runnable is anything with `async run()`: it works until cancelled. It may take its time to end; a second
  cancellation tells it to hurry. `Group` keeps to that itself.
* A member that returns is done, and the rest of its group goes on. One that raises sets the group's
  `failed` event and its `error`; whoever runs the group decides what ends in which order.
* When `Group.run` has ended, all members have: nothing is left behind.
"""

import asyncio
from typing import Final, Protocol

import structlog

__all__ = ["Group", "Runnable"]

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)


class Runnable(Protocol):
    """Something with a life of its own."""

    async def run(self) -> None:
        """Work until cancelled."""


class Group:
    """Runnables that live together. Members may be added while it runs, and it may be run again."""

    def __init__(self, name: str, failed: asyncio.Event) -> None:
        """`failed` may be shared by several groups."""
        self.name = name
        self.error: BaseException | None = None
        self._failed = failed
        self._members: list[Runnable] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False

    def add(self, member: Runnable) -> None:
        """Run it with the group; at once, if that runs."""
        self._members.append(member)
        if self._running:
            self._start(member)

    async def run(self) -> None:
        """Run all members until cancelled."""
        self._running = True
        try:
            for member in self._members:
                self._start(member)
            await asyncio.Event().wait()
        finally:
            self._running = False
            await self._end()

    async def _end(self) -> None:
        self._cancel()
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            names = sorted(task.get_name() for task in self._tasks)
            log.warning("ending at once what has not ended yet", group=self.name, runnables=names)
            self._cancel()
            while self._tasks:
                await asyncio.wait(self._tasks)
            raise

    def _start(self, member: Runnable) -> None:
        task = asyncio.create_task(member.run(), name=_name(member))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        log.error("a runnable failed", group=self.name, runnable=task.get_name(), exc_info=error)
        if self.error is None:
            self.error = error
        self._failed.set()

    def _cancel(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()


def _name(member: Runnable) -> str:
    return f"{type(member).__name__} {getattr(member, 'name', '')}".strip()
