"""What `restore.sh` has to know beside the copies: one line each, `what name details`.

    boot ID                       the boot in which the change was begun
    lock PATH                     held by a living handler
    hostname NAME                 the kernel's
    static-hostname -             the change sets a name on the disk, where there was none
    link NAME INDEX MTU ADDRESS   each link that was there
    touched NAME                  each one that the policy names, so that the change may have made or altered it
    watched NAME                  of those: NetworkManager only watches it, no profile brings back what it had:
    controller NAME OWNER         whose port it was,
    address NAME IP/LENGTH        its addresses but those of leases and advertisements, which come by themselves,
    route NAME TO VIA METRIC TABLE    and its static routes; VIA may be `-`
    leave ARGUMENTS               of `ip`: what the change adds that belongs to no link (`remains.foreseen`)

Links that only a changed profile names are found by the script itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["MAIN_TABLE", "Links", "configured_hostname", "could_be_link", "facts", "touched"]

Links = Iterable[tuple[int, str]]
"""Index and name, as `socket.if_nameindex` has them."""

_NAMING = frozenset({"name", "port", "slaves", "base-iface", "next-hop-interface", "peer", "controller", "iif"})
"""Keys under which a desired state names interfaces; where one is there, it does no harm if it is none."""
_LONGEST = 15
NO_NAME = "-"
MAIN_TABLE = 254


class _Address(msgspec.Struct, rename="kebab", frozen=True):
    ip: str
    prefix_length: int
    valid_life_time: str | None = None
    """None: for ever."""


class _Family(msgspec.Struct, frozen=True):
    address: list[_Address] | None = None


class _Interface(msgspec.Struct, rename="kebab", frozen=True):
    name: str
    type: str = ""
    mtu: int | None = None
    mac_address: str | None = None
    controller: str | None = None
    ipv4: _Family | None = None
    ipv6: _Family | None = None


class _Route(msgspec.Struct, rename="kebab", frozen=True):
    destination: str = ""
    next_hop_interface: str | None = None
    next_hop_address: str | None = None
    metric: int | None = None
    table_id: int | None = None


class _Routes(msgspec.Struct, frozen=True):
    config: list[_Route] | None = None


class _Hostname(msgspec.Struct, frozen=True):
    running: str | None = None
    config: str | None = None


class _State(msgspec.Struct, frozen=True):
    interfaces: list[_Interface] = []
    hostname: _Hostname = _Hostname()
    routes: _Routes = _Routes()


def facts(
    before: bytes, desired: Any, *, boot_id: str, lock: Path, links: Links, watched: Set[str] = frozenset()
) -> bytes:
    """The lines for a change from `before` to `desired`."""
    state = msgspec.json.decode(before, type=_State)
    return "".join(f"{line}\n" for line in _lines(state, desired, boot_id, lock, links, watched)).encode()


def configured_hostname(before: bytes, desired: Any) -> str | None:
    """The name on the disk where the change sets another one; None: it sets none."""
    if not isinstance(desired, Mapping) or not _sets_name(desired):
        return None
    return msgspec.json.decode(before, type=_State).hostname.config


def touched(desired: Any) -> set[str]:
    """The interfaces that a desired state names."""
    return {name for name in _named(desired) if could_be_link(name)}


def _lines(state: _State, desired: Any, boot_id: str, lock: Path, links: Links, watched: Set[str]) -> Iterator[str]:
    yield f"boot {boot_id}"
    yield f"lock {lock}"
    if state.hostname.running:
        yield f"hostname {state.hostname.running}"
    if isinstance(desired, Mapping) and _sets_name(desired) and state.hostname.config == "":
        yield f"static-hostname {NO_NAME}"
    known = {interface.name: interface for interface in state.interfaces}
    for index, name in links:
        seen = known.get(name) or _Interface(name)
        yield f"link {name} {index} {seen.mtu or 0} {(seen.mac_address or '-').lower()}"
    for name in sorted(touched(desired)):
        yield f"touched {name}"
        if name in watched and name in known:
            yield f"watched {name}"
            yield from _had(known[name], state.routes.config or ())


def _had(link: _Interface, routes: Iterable[_Route]) -> Iterator[str]:
    if link.controller:
        yield f"controller {link.name} {link.controller}"
    for family in (link.ipv4, link.ipv6):
        for address in (family and family.address) or ():
            if address.valid_life_time is None:
                yield f"address {link.name} {address.ip}/{address.prefix_length}"
    for route in routes:
        if route.next_hop_interface == link.name and route.destination:
            via, metric, table = route.next_hop_address or "-", route.metric or 0, route.table_id or MAIN_TABLE
            yield f"route {link.name} {route.destination} {via} {max(metric, 0)} {table}"


def _sets_name(desired: Mapping[str, Any]) -> bool:
    hostname = desired.get("hostname")
    return isinstance(hostname, Mapping) and hostname.get("config") is not None


def _named(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner, content in value.items():
            yield from _named(content, inner)
    elif isinstance(value, list):
        for content in value:
            yield from _named(content, key)
    elif isinstance(value, str) and key in _NAMING:
        yield value


def could_be_link(name: str) -> bool:
    """Whether the kernel takes it as the name of a link; then it is also one word of a line."""
    return 0 < len(name.encode()) <= _LONGEST and not any(char in "/\0" or char.isspace() for char in name)
