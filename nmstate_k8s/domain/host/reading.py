"""Reads the node's state for those who report it and those who change it: once for both, where that is safe.

libnmstate does one thing at a time, and with hundreds of interfaces a look takes seconds. A transaction that begins
meanwhile would wait for the look to end, only to look again itself. Instead it takes the look's answer, if

- nothing was heard of a change since that look began, nor until it ended: it then says what another would say;
- changes are listened for at all.

Else, and where the look fails, it reads anew. What nobody hears of (a profile that was edited and not activated) may
be missed for as long as one look takes, as in any state that is read before it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.protocol import Host

__all__ = ["StateReader"]


class StateReader:
    """Of one host."""

    def __init__(self, host: Host, heard: Callable[[], int | None] = lambda: None) -> None:
        """`heard`: how many changes were heard of so far; None: nobody listens, so that nothing is shared."""
        self._host = host
        self._heard = heard
        self._look: asyncio.Future[bytes] | None = None
        self._heard_before: int | None = None

    async def look(self) -> bytes:
        """The state now, for a report.

        Cancelling stops the wait, not the look.

        :raises HostError: what libnmstate says.
        """
        self._heard_before = self._heard()
        self._look = look = asyncio.ensure_future(self._host.show())
        look.add_done_callback(_seen)
        try:
            return await asyncio.shield(look)
        finally:
            self._heard()  # so that who asks next what came and went meanwhile is told of all of it
            if look.done():
                self._look = None

    async def read(self) -> bytes:
        """The state now, for a change; by a look that is under way, if that is as good.

        :raises HostError: what libnmstate says.
        """
        look = self._look
        if look is not None and not look.done() and self._unchanged():
            with suppress(HostError):  # then our own says so, too, or it has passed
                state = await asyncio.shield(look)
                if self._unchanged():
                    return state
        return await self._host.show()

    def _unchanged(self) -> bool:
        return self._heard_before is not None and self._heard() == self._heard_before


def _seen(look: asyncio.Future[bytes]) -> None:
    """Its error is for whoever waits; where nobody does any more, it is no unretrieved one."""
    if not look.cancelled():
        look.exception()
