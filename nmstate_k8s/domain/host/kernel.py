"""Routes through nothing, and rules, out of the kernel: those that NetworkManager does not know of any more.

What is to go is told as libnmstate tells it (`parachute.remains`). The kernel is asked what it has, and its own words
are sent back to it as what to delete, as `ip route flush` does.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from ipaddress import ip_network
from typing import Any, Final

from nmstate_k8s.domain.desired.errors import HostError
from nmstate_k8s.domain.host.netlink import answers
from nmstate_k8s.domain.host.parachute.remains import Network, route_key, rule_key
from nmstate_k8s.domain.host.rtnetlink import (
    DEL_ROUTE,
    DEL_RULE,
    ERROR,
    GET_ROUTE,
    GET_RULE,
    NEW_ROUTE,
    NEW_RULE,
    ROUTE,
    attributes,
    dump_request,
    messages,
    request,
)

__all__ = ["take_out"]

_NOTHING: Final = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
"""The same numbers for types of routes (linux/rtnetlink.h) and for what rules do (linux/fib_rules.h)."""
_RULE: Final = struct.Struct("=BBBBBBBBI")  # family, length to, length from, tos, table, two reserved, action, flags
_INT: Final = struct.Struct("=I")
_TO, _METRIC, _TABLE = 1, 6, 15  # of routes
_RULE_TO, _RULE_FROM, _RULE_LINK, _PRIORITY, _MARK, _RULE_TABLE = 1, 2, 3, 6, 10, 15
_BYTES: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}
_GONE: Final = frozenset({0, errno.ESRCH, errno.ENOENT})

Reader = Callable[[bytes], tuple[object, ...] | None]


def take_out(remains: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Delete what is told in `routes` and `route-rules`. One that is gone already is no error.

    :raises HostError: if the kernel does not answer, or refuses.
    """
    routes = {route_key(each) for each in remains.get("routes", ())}
    rules = {rule_key(each) for each in remains.get("route-rules", ())}
    try:
        _delete(GET_ROUTE, NEW_ROUTE, DEL_ROUTE, _route, routes)
        _delete(GET_RULE, NEW_RULE, DEL_RULE, _rule, rules)
    except (OSError, ValueError) as error:
        raise HostError("KernelRefused", f"routes and rules that were left in the kernel stay: {error}") from error


def _delete(ask: int, news: int, away: int, read: Reader, wanted: Set[tuple[object, ...]]) -> None:
    if not wanted:
        return
    found = [body for kind, body in _answered(dump_request(ask)) if kind == news and read(body) in wanted]
    for body in found:
        for kind, answer in _answered(request(away, body)):
            code = -struct.unpack_from("=i", answer)[0] if kind == ERROR else 0
            if code not in _GONE:
                raise OSError(code, os.strerror(code))


def _answered(asked: bytes) -> Iterator[tuple[int, bytes]]:
    return (message for datagram in answers(asked) for message in messages(datagram))


def _route(body: bytes) -> tuple[object, ...] | None:
    family, length, _, _, table, _, _, kind, _ = ROUTE.unpack_from(body)
    if kind not in _NOTHING or family not in _BYTES:
        return None
    parts = dict(attributes(body, ROUTE.size))
    to = _network(family, parts.get(_TO), length)
    return to, _NOTHING[kind], _number(parts, _TABLE) or table, _number(parts, _METRIC)


def _rule(body: bytes) -> tuple[object, ...] | None:
    family, to_length, from_length, _, table, _, _, action, _ = _RULE.unpack_from(body)
    if family not in _BYTES:
        return None
    parts = dict(attributes(body, _RULE.size))
    to = _network(family, parts[_RULE_TO], to_length) if _RULE_TO in parts else None
    source = _network(family, parts[_RULE_FROM], from_length) if _RULE_FROM in parts else None
    does = _NOTHING.get(action) or _number(parts, _RULE_TABLE) or table
    version = 6 if family == socket.AF_INET6 else 4
    link = parts.get(_RULE_LINK, b"").rstrip(b"\0").decode(errors="replace")
    return version, _number(parts, _PRIORITY), source, to, link, _number(parts, _MARK), does


def _network(family: int, address: bytes | None, length: int) -> Network:
    return ip_network((address or bytes(_BYTES[socket.AddressFamily(family)]), length))


def _number(parts: Mapping[int, bytes], which: int) -> int:
    return int(_INT.unpack(parts[which])[0]) if which in parts else 0
