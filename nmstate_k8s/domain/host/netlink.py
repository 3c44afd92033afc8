"""Wakes us when the kernel's network changes: links, addresses, routes.

An AF_NETLINK socket that the event loop watches. What changed is not read: whoever is woken looks at the whole
state. Messages that were lost because there were too many wake, too.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

import structlog

__all__ = ["NetlinkWatch"]

_log = structlog.get_logger(__name__)

# RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400


class NetlinkWatch:
    """Calls `on_change`, from the event loop, for each burst of changes."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
            netlink.setblocking(False)
            netlink.bind((0, _GROUPS))
            loop.add_reader(netlink, self._drain, netlink)
            try:
                await loop.create_future()
            finally:
                loop.remove_reader(netlink)

    def _drain(self, netlink: socket.socket) -> None:
        while True:
            try:
                netlink.recv(65536)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                _log.debug("more changes than the socket holds")
        self._on_change()
