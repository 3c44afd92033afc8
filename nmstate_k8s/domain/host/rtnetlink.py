"""Messages of the kernel about its network (rtnetlink), read as far as it takes to tell news from noise. Pure.

- A `Told` is what one message is about (`subject`), which link it belongs to, and a hash of what it says. Counters,
  timers, life times and statistics are left out of the hash: two messages about the same subject with the same
  hash tell the same.
- What a node's report never shows gives none: neighbours, cached routes, local and broadcast routes, and routes of
  the kernel's own and of routing daemons (a BGP table may change a hundred times a second).
- Datagrams that cannot be read raise `ValueError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = [
    "DEL_ROUTE",
    "DEL_RULE",
    "ERROR",
    "GET_ADDRESS",
    "GET_LINK",
    "GET_ROUTE",
    "GET_RULE",
    "NEW_ROUTE",
    "NEW_RULE",
    "ROUTE",
    "Link",
    "Told",
    "attributes",
    "dump_request",
    "ends",
    "messages",
    "request",
    "told",
]

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, sender
_LINK: Final = struct.Struct("=BxHiII")  # family, kind of hardware, index, flags, changed flags
_ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, prefixes, tos, table, protocol, scope, type, flags
_ATTRIBUTE: Final = struct.Struct("=HH")
_INT: Final = struct.Struct("=i")

_NEW_LINK, _DEL_LINK, GET_LINK = 16, 17, 18
_NEW_ADDRESS, _DEL_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DEL_ROUTE, GET_ROUTE = 24, 25, 26
NEW_RULE, DEL_RULE, GET_RULE = 32, 33, 34
_NEW_CONF, _DEL_CONF = 80, 81
_DUMPED: Final = {GET_LINK: _LINK.size, GET_ADDRESS: _ADDRESS.size, GET_ROUTE: ROUTE.size, GET_RULE: ROUTE.size}
_GONE: Final = frozenset({_DEL_LINK, _DEL_ADDRESS, DEL_ROUTE, DEL_RULE, _DEL_CONF})
_NESTED: Final = 0x3FFF
"""Masks the flags of an attribute's type away."""
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
ERROR, _DONE = 2, 3

# Attributes of a link (linux/if_link.h).
_NAME, _PEER, _PORT, _LINK_INFO, _PEER_NAMESPACE = 3, 5, 12, 18, 37
_KIND, _DATA, _X_STATISTICS, _PORT_KIND, _PORT_DATA = 1, 2, 3, 4, 5
_LINK_NOISE: Final = frozenset({7, 11, 23, 26, 30, 35, 43, 44, 47, 48, 61})
"""Statistics (twice), wireless, devconf of the families, promiscuity, carrier counts, XDP, cause, all-multicast."""
_BRIDGE_NOISE: Final = frozenset({14, 15, 16, 17, 18, 19, 47, 48})
"""Topology changes, the timers hello, tcn, topology change and gc, who queries multicast, learned addresses."""
_BRIDGE_PORT_NOISE: Final = frozenset({19, 20, 21, 22, 23})
"""What is to be sent next, and the timers message age, forward delay and hold."""

_ADDRESS_NOISE: Final = frozenset({6})  # life times
_ROUTE_NOISE: Final = frozenset({12, 23})  # use counts, expiry
_DESTINATION, _OUT, _METRIC, _TABLE = 1, 4, 6, 15
_CLONED: Final = 0x200
_LOCAL_TABLE: Final = 255
_UNSHOWN_TYPES: Final = frozenset({2, 3, 4, 5})  # local, broadcast, anycast, multicast
_UNSHOWN_PROTOCOLS: Final = frozenset({1, 2, 8, 10, 11, 12, 13, 14, 15, 99, 186, 187, 188, 189, 192})
"""redirect, kernel, gated, mrt, zebra, bird, dnrouted, xorp, ntk, openr, bgp, isis, ospf, rip, eigrp."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a message says of the link itself."""

    name: str
    far_end: bool
    """Of a veth: its other end is in another network namespace, or not known yet. So are those of pods."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one message tells."""

    subject: tuple[object, ...]
    """Equal for messages about the same thing; its first element names the kind."""
    index: int
    """The link that it belongs to; 0: to none."""
    gone: bool
    says: int
    link: Link | None = None


def dump_request(kind: int) -> bytes:
    """A request for everything that there is of a kind: GET_LINK, GET_ADDRESS, GET_ROUTE or GET_RULE."""
    return _request(kind, b"\0" * _DUMPED[kind], _REQUEST | _DUMP)


def request(kind: int, body: bytes) -> bytes:
    """A request that is answered by an ERROR, whose number is 0 where all is well."""
    return _request(kind, body, _REQUEST | _ACK)


def _request(kind: int, body: bytes, flags: int) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def ends(datagram: bytes) -> bool:
    """Whether the answer to a request ends with this datagram.

    :raises ValueError: if it is none of rtnetlink's.
    """
    return any(kind in (_DONE, ERROR) for kind, _ in messages(datagram))


def told(datagram: bytes) -> Iterator[Told]:
    """What a datagram's messages tell.

    :raises ValueError: if it is none of rtnetlink's.
    """
    for kind, body in messages(datagram):
        read = _READERS.get(kind)
        if read is None:
            continue
        try:
            found = read(body, kind in _GONE)
        except struct.error as error:
            raise ValueError(f"a message of type {kind} cannot be read: {error}") from error
        if found is not None:
            yield found


def messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """The types and bodies of a datagram's messages.

    :raises ValueError: if it is none of rtnetlink's.
    """
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size or at + length > len(datagram):
            raise ValueError(f"a message of {length} bytes does not fit")
        yield kind, datagram[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The attributes of a message, from a place in its body on.

    :raises ValueError: if there are none.
    """
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            raise ValueError("an attribute is shorter than its head")
        yield kind & _NESTED, body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _quiet(body: bytes, noise: frozenset[int]) -> tuple[tuple[int, bytes], ...]:
    return tuple(each for each in attributes(body, 0) if each[0] not in noise)


def _link(body: bytes, gone: bool) -> Told:
    family, _, index, flags, _ = _LINK.unpack_from(body)
    name, kind, peer, far = "", b"", 0, False
    says: list[object] = [flags]
    for attribute, value in attributes(body, _LINK.size):
        if attribute in _LINK_NOISE:
            continue
        if attribute == _LINK_INFO:
            kind, info = _link_info(value)
            says.extend(info)
        elif attribute == _PORT and family != 0:
            says.append(_quiet(value, _BRIDGE_PORT_NOISE))
        else:
            if attribute == _NAME:
                name = _text(value)
            elif attribute == _PEER:
                (peer,) = _INT.unpack_from(value)
            far = far or attribute == _PEER_NAMESPACE
            says.append((attribute, value))
    link = Link(name, kind == b"veth\0" and (far or peer == 0)) if family == 0 else None
    return Told(("link", family, index), index, gone and family == 0, hash(tuple(says)), link)


def _link_info(info: bytes) -> tuple[bytes, list[object]]:
    parts = dict(attributes(info, 0))
    kind = parts.get(_KIND, b"")
    says: list[object] = [kind, parts.get(_PORT_KIND)]
    if _DATA in parts:
        says.append(_quiet(parts[_DATA], _BRIDGE_NOISE) if kind == b"bridge\0" else parts[_DATA])
    if _PORT_DATA in parts:
        of_bridge = parts.get(_PORT_KIND) == b"bridge\0"
        says.append(_quiet(parts[_PORT_DATA], _BRIDGE_PORT_NOISE) if of_bridge else parts[_PORT_DATA])
    return kind, says


def _address(body: bytes, gone: bool) -> Told:
    family, prefix, flags, scope, index = _ADDRESS.unpack_from(body)
    parts = _quiet(body[_ADDRESS.size :], _ADDRESS_NOISE)
    which = next((value for kind, value in sorted(parts, reverse=True) if kind in (1, 2)), b"")
    return Told(("address", family, index, prefix, which), index, gone, hash((flags, scope, parts)))


def _route(body: bytes, gone: bool) -> Told | None:
    family, prefix, _, tos, table, protocol, scope, type_, flags = ROUTE.unpack_from(body)
    if flags & _CLONED or table == _LOCAL_TABLE or type_ in _UNSHOWN_TYPES or protocol in _UNSHOWN_PROTOCOLS:
        return None
    parts = _quiet(body[ROUTE.size :], _ROUTE_NOISE)
    by_kind = dict(parts)
    index = _INT.unpack(by_kind[_OUT])[0] if _OUT in by_kind else 0
    subject = ("route", family, prefix, tos, *(by_kind.get(kind) for kind in (_TABLE, _DESTINATION, _METRIC)))
    return Told(subject, index, gone, hash((protocol, scope, type_, parts)))


def _rule(body: bytes, gone: bool) -> Told:
    return Told(("rule", body), 0, gone, 0)


def _conf(body: bytes, gone: bool) -> Told:
    """Settings of a family on a link, such as forwarding."""
    parts = dict(attributes(body, 4))
    index = max(_INT.unpack(parts[1])[0], 0) if 1 in parts else 0  # below 0: of all links, of those to come
    return Told(("conf", body[0], parts.get(1)), index, gone, hash(tuple(parts.items())))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="surrogateescape")


_READERS: Final = {
    _NEW_LINK: _link,
    _DEL_LINK: _link,
    _NEW_ADDRESS: _address,
    _DEL_ADDRESS: _address,
    NEW_ROUTE: _route,
    DEL_ROUTE: _route,
    NEW_RULE: _rule,
    DEL_RULE: _rule,
    _NEW_CONF: _conf,
    _DEL_CONF: _conf,
}
