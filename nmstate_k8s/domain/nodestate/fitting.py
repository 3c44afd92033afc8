"""What of a report fits where it is kept: etcd takes objects of 1.5 MiB at most, and the API server no larger ones.

What is left out, in this order, until the rest fits, from the end of each list:

1. running routes, but for default ones; then configured ones; then rules (a router's table is what grows large);
2. the details of interfaces beyond what consoles show: name, type, state, addresses, MTU, MAC, VLAN, controller stay;
3. other parts of the state, the largest first;
4. interfaces.

The same state and limit give the same report, so that nothing is written while nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from nmstate_k8s.domain.nodestate.report import Report

__all__ = ["LIMIT_BYTES", "fitted"]

LIMIT_BYTES: Final = 1_400_000
"""Of the state's JSON. etcd's own limit (`--max-request-bytes`) is 1,572,864 for the object and what surrounds it: on a
real API server 1,560,000 were taken and 1,600,000 were not."""
_LISTS: Final = (("routes", "running"), ("routes", "config"), ("route-rules", "config"))
_KEPT: Final = frozenset({"name", "type", "state", "mac-address", "mtu", "controller", "ipv4", "ipv6", "vlan"})
_DEFAULT: Final = frozenset({"0.0.0.0/0", "::/0"})

_Members = dict[str, msgspec.Raw]


class _Route(msgspec.Struct):
    destination: Any = None


def fitted(report: Report, limit: int = LIMIT_BYTES) -> tuple[Report, str]:
    """As much of a report as `limit` bytes hold, and what was left out, as words; empty: nothing was."""
    said: list[str] = []
    for shorten in _WAYS:
        if report.size <= limit:
            break
        report, words = shorten(report, report.size - limit)
        said += words
    return report, ", ".join(said)


def _without_entries(report: Report, excess: int) -> tuple[Report, list[str]]:
    parts, said = _members(report.rest), list[str]()
    for part, name in _LISTS:
        if excess <= 0 or part not in parts:
            continue
        inner = _members(parts[part])
        entries = msgspec.json.decode(inner.get(name, b"null"), type=list[msgspec.Raw] | None) or []
        gone = _from_the_end(entries, excess, needed=_is_default)
        if gone:
            inner[name] = _listed([raw for at, raw in enumerate(entries) if at not in gone])
            parts[part] = msgspec.Raw(msgspec.json.encode(inner))
            excess -= sum(len(bytes(entries[at])) + 1 for at in gone)
            said.append(f"{len(gone)} of {len(entries)} entries of {part}.{name}")
    return replace(report, rest=msgspec.json.encode(parts)), said


def _without_details(report: Report, excess: int) -> tuple[Report, list[str]]:
    pieces, count = list(report.interfaces), 0
    for at in range(len(pieces) - 1, -1, -1):
        if excess <= 0:
            break
        short = msgspec.json.encode({key: raw for key, raw in _members(pieces[at]).items() if key in _KEPT})
        if len(short) < len(pieces[at]):
            excess -= len(pieces[at]) - len(short)
            pieces[at], count = short, count + 1
    words = [f"details of {count} of {len(pieces)} interfaces"] if count else []
    return replace(report, interfaces=tuple(pieces)), words


def _without_parts(report: Report, excess: int) -> tuple[Report, list[str]]:
    parts, said = _members(report.rest), list[str]()
    for part in sorted(parts, key=lambda part: len(bytes(parts[part])), reverse=True):
        if excess <= 0:
            break
        excess -= len(bytes(parts.pop(part)))
        said.append(f"all of {part}")
    return replace(report, rest=msgspec.json.encode(parts)), said


def _without_interfaces(report: Report, excess: int) -> tuple[Report, list[str]]:
    gone = _from_the_end(report.interfaces, excess)
    kept = tuple(piece for at, piece in enumerate(report.interfaces) if at not in gone)
    return replace(report, interfaces=kept), [f"{len(gone)} of {len(report.interfaces)} interfaces"]


_WAYS: Final = (_without_entries, _without_details, _without_parts, _without_interfaces)


def _from_the_end(
    entries: Sequence[bytes | msgspec.Raw], excess: int, *, needed: Callable[[msgspec.Raw], bool] = lambda _: False
) -> set[int]:
    """The positions of as many of the last entries as make up for so many bytes; those that are needed stay."""
    gone: set[int] = set()
    for at in range(len(entries) - 1, -1, -1):
        if excess <= 0:
            break
        if not needed(msgspec.Raw(bytes(entries[at]))):
            gone.add(at)
            excess -= len(bytes(entries[at])) + 1
    return gone


def _is_default(entry: msgspec.Raw) -> bool:
    destination = msgspec.json.decode(entry, type=_Route).destination
    return isinstance(destination, str) and destination in _DEFAULT


def _members(piece: bytes | msgspec.Raw) -> _Members:
    return msgspec.json.decode(piece, type=_Members | None) or {}


def _listed(entries: Sequence[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(entries))
