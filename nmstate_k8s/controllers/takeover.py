"""A handler takes a node over: alone, and with nothing of an earlier handler left, before it does anything.

Needs no API server. Until it is done the handler is not ready, and neither configures nor reports.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.runnables import Runnable
from nmstate_k8s.domain.host.lock import NodeLock
from nmstate_k8s.domain.host.outcome import Outcome

__all__ = ["Afterwards", "Takeover"]

_log = structlog.get_logger(__name__)
RETRY_SECONDS = 2.0


class Recovery(Protocol):
    """What takes back an earlier handler's work (`domain.host.transaction.Transactions`)."""

    async def recover(self) -> Outcome:
        """Without a fault in the outcome nothing is left."""


class Parachute(Protocol):
    """What opens when NetworkManager starts in the middle of a change (`domain.host.parachute.unit.RestoreUnit`)."""

    async def install(self) -> bool:
        """From now on. Whether that is so."""

    def removed(self) -> bool:
        """No longer, unless a change is open."""


class Takeover:
    """Runs once, and returns when the node is ours."""

    def __init__(self, lock: NodeLock, recovery: Recovery, parachute: Parachute, *, clock: Clock) -> None:
        self._lock = lock
        self._parachute = parachute
        self._recovery = recovery
        self._clock = clock
        self._problem = "another handler runs on this node"
        self.done = asyncio.Event()

    async def run(self) -> None:
        """Wait for the lock, then until nothing is left over. Cancelling gives up."""
        await self._lock.acquire()
        await self._parachute.install()
        while True:
            outcome = await self._recovery.recover()
            if outcome.fault is None:
                break
            self._problem = outcome.fault.cause
            _log.error("the node cannot be taken over", error=self._problem, again_in=RETRY_SECONDS)
            await self._clock.sleep(RETRY_SECONDS)
        _log.info("the node is ours", steps=list(outcome.timing))
        self._problem = ""
        self.done.set()

    def problem(self) -> str:
        """Why the node is not ours yet; empty when it is."""
        return self._problem

    def release(self) -> None:
        """Let the next handler in, and leave nothing behind on the host that has nothing to do."""
        if self.done.is_set():
            self._parachute.removed()
        self._lock.release()


class Afterwards:
    """A runnable that runs when the node is ours."""

    def __init__(self, takeover: Takeover, runnable: Runnable) -> None:
        self._takeover = takeover
        self._runnable = runnable

    async def run(self) -> None:
        """Until cancelled, as the runnable says."""
        await self._takeover.done.wait()
        await self._runnable.run()
