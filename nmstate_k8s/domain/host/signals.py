"""Wakes us when NetworkManager tells of what the kernel does not: DNS servers, LLDP neighbours.

- One connection to the system bus, on which nothing is asked: it waits for signals, in a thread of its own.
- Where there is no bus, or it goes away, it is tried again; its return counts as a change, since what was said
  meanwhile is not known. The report's own look of every minute sees what is missed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import structlog

from nmstate_k8s.core.clock import Clock
from nmstate_k8s.domain.host.errors import HostError
from nmstate_k8s.domain.host.protocol import Host

__all__ = ["SignalWatch"]

_log = structlog.get_logger(__name__)
AGAIN_SECONDS = 30.0


class SignalWatch:
    """Calls `on_change`, from the event loop, for each signal."""

    def __init__(self, host: Host, on_change: Callable[[], None], *, clock: Clock) -> None:
        self._host = host
        self._on_change = on_change
        self._clock = clock
        self._missed = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except HostError as error:
                if not self._missed:
                    _log.warning("NetworkManager's signals are not heard", error=str(error), again_in=AGAIN_SECONDS)
                self._missed = True
            await self._clock.sleep(AGAIN_SECONDS)

    async def _listen(self) -> None:
        async with aclosing(self._host.signals()) as signals:
            async for told in signals:
                _log.debug("NetworkManager tells", what=told)
                if told != "listening" or self._missed:
                    self._on_change()
                self._missed = False
