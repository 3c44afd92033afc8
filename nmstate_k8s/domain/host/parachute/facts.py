"""What `restore.sh` has to know beside the copies: one line each, `what name details`.

    boot ID                       the boot in which the change was begun
    lock PATH                     held by a living handler
    hostname NAME                 the kernel's
    static-hostname -             the change sets a name on the disk, where there was none
    link NAME INDEX MTU ADDRESS   each link that was there
    touched NAME                  each one that the policy names, so that the change may have made or altered it

Links that only a changed profile names are found by the script itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Links", "configured_hostname", "facts", "touched"]

Links = Iterable[tuple[int, str]]
"""Index and name, as `socket.if_nameindex` has them."""

_NAMING = frozenset({"name", "port", "slaves", "base-iface", "next-hop-interface", "peer", "controller", "iif"})
"""Keys under which a desired state names interfaces; where one is there, it does no harm if it is none."""
_LONGEST = 15
NO_NAME = "-"


class _Interface(msgspec.Struct, rename="kebab", frozen=True):
    name: str
    mtu: int | None = None
    mac_address: str | None = None


class _Hostname(msgspec.Struct, frozen=True):
    running: str | None = None
    config: str | None = None


class _State(msgspec.Struct, frozen=True):
    interfaces: list[_Interface] = []
    hostname: _Hostname = _Hostname()


def facts(before: bytes, desired: Any, *, boot_id: str, lock: Path, links: Links) -> bytes:
    """The lines for a change from `before` to `desired`."""
    state = msgspec.json.decode(before, type=_State)
    return "".join(f"{line}\n" for line in _lines(state, desired, boot_id, lock, links)).encode()


def configured_hostname(before: bytes, desired: Any) -> str | None:
    """The name on the disk where the change sets another one; None: it sets none."""
    if not isinstance(desired, Mapping) or not _sets_name(desired):
        return None
    return msgspec.json.decode(before, type=_State).hostname.config


def touched(desired: Any) -> set[str]:
    """The interfaces that a desired state names."""
    return {name for name in _named(desired) if _could_be_link(name)}


def _lines(state: _State, desired: Any, boot_id: str, lock: Path, links: Links) -> Iterator[str]:
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


def _could_be_link(name: str) -> bool:
    return 0 < len(name.encode()) <= _LONGEST and not any(char in "/\0" or char.isspace() for char in name)
