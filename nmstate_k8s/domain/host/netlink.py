"""Wakes us when the kernel's network changes: links, addresses, routes, rules, forwarding.

- An AF_NETLINK socket that the event loop watches. `churn.Churn` says which messages are news; for news, and for
  messages that were lost because there were too many, `on_change` is called once the burst has had a moment to end.
- What is there at the start is asked for and learned, so that the first renewal of a lease is no news.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator

import structlog

from nmstate_k8s.domain.host.churn import Churn
from nmstate_k8s.domain.host.rtnetlink import GET_ADDRESS, GET_LINK, dump_request, ends, told

__all__ = ["NetlinkWatch", "answers"]

_log = structlog.get_logger(__name__)

# Links; of both families addresses, routes, rules, settings (linux/rtnetlink.h: group N is bit N - 1).
_GROUPS = sum(1 << (group - 1) for group in (1, 5, 9, 7, 11, 8, 19, 24, 25))
SETTLE_SECONDS = 0.3
AT_ONCE = 64
"""Datagrams read in a row; then others get their turn."""
BUFFER_BYTES = 1 << 20
DATAGRAM_BYTES = 1 << 16
ANSWER_SECONDS = 5.0


class NetlinkWatch:
    """Calls `on_change`, from the event loop, for each burst of news."""

    def __init__(self, churn: Churn, on_change: Callable[[], None]) -> None:
        self._churn = churn
        self._on_change = on_change
        self._settling: asyncio.TimerHandle | None = None
        self._socket: socket.socket | None = None

    def heard(self) -> int | None:
        """How many news there were up to this very moment; None: nobody listens."""
        if self._socket is None:
            return None
        try:
            self._drain(self._socket)
        except OSError as error:
            _log.warning("the kernel's messages cannot be read", error=str(error))
            return None
        return self._churn.heard

    def elsewhere(self) -> None:
        """Something has changed that the kernel does not tell: as if it had."""
        self._churn.elsewhere()
        self._settle()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        with _opened() as netlink:
            netlink.setblocking(False)
            netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            netlink.bind((0, _GROUPS))
            await self._learn()
            loop.add_reader(netlink, self._drain, netlink)
            self._socket = netlink
            try:
                await loop.create_future()
            finally:
                self._socket = None
                loop.remove_reader(netlink)
                if self._settling is not None:
                    self._settling.cancel()

    async def _learn(self) -> None:
        try:
            for datagram in await asyncio.to_thread(_present):
                for each in told(datagram):
                    self._churn.learn(each)
        except (OSError, ValueError) as error:
            _log.warning("the network's present state cannot be learned", error=str(error))
            self._churn.lost()

    def _drain(self, netlink: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                datagram = netlink.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                _log.debug("more changes than the socket holds")
                self._churn.lost()
                continue
            self._hear(datagram)
        self._settle()

    def _settle(self) -> None:
        if self._churn.news and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settled)

    def _hear(self, datagram: bytes) -> None:
        try:
            for each in told(datagram):
                self._churn.hear(each)
        except ValueError as error:
            _log.warning("a message of the kernel cannot be read", error=str(error))
            self._churn.lost()

    def _settled(self) -> None:
        self._settling = None
        if self._churn.news:
            self._churn.told()
            self._on_change()


def _opened() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)


def _present() -> list[bytes]:
    """All links and addresses, as datagrams."""
    return [datagram for kind in (GET_LINK, GET_ADDRESS) for datagram in answers(dump_request(kind))]


def answers(request: bytes) -> Iterator[bytes]:
    """What the kernel answers, datagram by datagram, to the last.

    :raises OSError: if it does not, within seconds.
    """
    with _opened() as netlink:
        netlink.settimeout(ANSWER_SECONDS)
        netlink.send(request)
        while True:
            datagram = netlink.recv(DATAGRAM_BYTES)
            yield datagram
            if ends(datagram):
                return
