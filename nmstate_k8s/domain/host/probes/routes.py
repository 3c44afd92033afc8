"""The default gateways of the main table (254), asked of the kernel by netlink.

libnmstate's `show` knows them as well, and takes a second for it on a busy node: too slow between two tries.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Gateway", "default_gateways"]

_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE = 4, 5, 6, 9, 15
_HEADER = struct.Struct("=IHHII")
_RTMSG = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_NEXT_HOP = struct.Struct("=HBBi")


class Gateway(NamedTuple):
    """Where packets go that no other route wants."""

    address: str
    interface: str
    metric: int


def default_gateways(family: socket.AddressFamily) -> list[Gateway]:
    """Those of one family, the preferred one first. Routes without a gateway (point to point) are none."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(2.0)
        netlink.bind((0, 0))
        body = _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, _DUMP, 1, 0) + body)
        found = [gateway for message in _messages(netlink) if (gateway := _gateway(family, message))]
    return sorted(found, key=lambda gateway: gateway.metric)


def _messages(netlink: socket.socket) -> Iterator[bytes]:
    """The bodies of the routes in the answer."""
    while True:
        data = netlink.recv(65536)
        while len(data) >= _HEADER.size:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                raise OSError("the kernel does not tell its routes")
            if kind == _RTM_NEWROUTE:
                yield data[_HEADER.size : length]
            data = data[(length + 3) & ~3 :]


def _gateway(family: socket.AddressFamily, message: bytes) -> Gateway | None:
    _, destination_length, _, _, table, _, _, kind, _ = _RTMSG.unpack_from(message)
    attributes = dict(_attributes(message[_RTMSG.size :]))
    table = _number(attributes.get(_RTA_TABLE)) or table
    if destination_length or table != _RT_TABLE_MAIN or kind != _RTN_UNICAST:
        return None
    address, index = attributes.get(_RTA_GATEWAY), _number(attributes.get(_RTA_OIF))
    if address is None and _RTA_MULTIPATH in attributes:
        address, index = _first_hop(attributes[_RTA_MULTIPATH])
    if address is None or not index:
        return None
    try:
        interface = socket.if_indextoname(index)
    except OSError:  # gone meanwhile, and the route with it
        return None
    return Gateway(socket.inet_ntop(family, address), interface, _number(attributes.get(_RTA_PRIORITY)))


def _first_hop(multipath: bytes) -> tuple[bytes | None, int]:
    length, _, _, index = _NEXT_HOP.unpack_from(multipath)
    return dict(_attributes(multipath[_NEXT_HOP.size : length])).get(_RTA_GATEWAY), index


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def _number(value: bytes | None) -> int:
    return struct.unpack("=I", value)[0] if value is not None and len(value) == 4 else 0
