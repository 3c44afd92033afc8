"""Wakes us when others tell of what the kernel does not: NetworkManager of DNS servers and LLDP neighbours, Open
vSwitch's database of its settings.

Where nobody is there to tell, it is tried again; the return counts as a change, since what was said meanwhile is not
known. The report's own look of every minute sees what is missed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog

from nmstate_k8s.core.clock import Clock
from nmstate_k8s.domain.desired.errors import HostError

__all__ = ["SignalWatch"]

_log = structlog.get_logger(__name__)
AGAIN_SECONDS = 30.0


class SignalWatch:
    """Calls `on_change`, from the event loop, for each thing that is told."""

    def __init__(
        self, listen: Callable[[], AsyncGenerator[str, None]], on_change: Callable[[], None], *, clock: Clock
    ) -> None:
        """`listen` gives "listening" once somebody is heard, then what changed; it raises HostError without."""
        self._listen = listen
        self._on_change = on_change
        self._clock = clock
        self._missed = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._heard()
            except HostError as error:
                if not self._missed:
                    _log.info("changes are not told", error=str(error), again_in=AGAIN_SECONDS)
                self._missed = True
            await self._clock.sleep(AGAIN_SECONDS)

    async def _heard(self) -> None:
        async with aclosing(self._listen()) as told:
            async for what in told:
                _log.debug("a change is told", what=what)
                if what != "listening" or self._missed:
                    self._on_change()
                self._missed = False
