"""A node's state as it is reported: compared, kept and patched in pieces.

- Each interface is a piece of JSON of its own, with sorted keys: two reports are the same if their pieces are. Only
  one interface at a time is decoded, so a thousand of them cost their bytes and not ten times as much.
- The patch from one report to the next is as small as `patch` makes it; interfaces that did not change are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec

from nmstate_k8s.core.patches import Operation, members, moves, operations
from nmstate_k8s.domain.nodestate.filter import Head, filtered_interface, filtered_routes

__all__ = ["Report", "reported", "shown"]


class _Identity(msgspec.Struct, frozen=True):
    name: str = ""
    type: str = ""


_State = dict[str, msgspec.Raw]
_states = msgspec.json.Decoder(_State)
_lists = msgspec.json.Decoder(list[msgspec.Raw] | None)
_identities = msgspec.json.Decoder(_Identity)
_heads = msgspec.json.Decoder(Head)


@dataclass(frozen=True, slots=True)
class Report:
    """The currentState of a NodeNetworkState."""

    interfaces: tuple[bytes, ...]
    rest: bytes
    """All else."""
    withheld: frozenset[str] = field(default=frozenset(), compare=False)
    """Links of which the next look must tell whose they are."""

    @property
    def names(self) -> frozenset[str]:
        """Of the interfaces."""
        return frozenset(_identities.decode(each).name for each in self.interfaces)

    @property
    def size(self) -> int:
        """Bytes of JSON, about."""
        return len(self.rest) + sum(len(each) + 1 for each in self.interfaces)

    @property
    def value(self) -> dict[str, msgspec.Raw]:
        """To be encoded as JSON."""
        return {"interfaces": _raw_list(self.interfaces), **_states.decode(self.rest)}

    def changes(self, new: Report, path: str) -> list[Operation]:
        """The patch from this report, at `path`, to a new one."""
        found = members(_data(self.rest), _data(new.rest), path)
        if self.interfaces != new.interfaces:
            found += _interfaces(self.interfaces, new.interfaces, f"{path}/interfaces")
        return found


def reported(state: bytes, passing: Set[str] = frozenset()) -> Report:
    """What is reported of a state, from libnmstate's JSON.

    ``passing``: veths that came or went while libnmstate looked. If NetworkManager did not know of them (yet or any
    more) they stand there as if they were the node's own; so they are withheld from this report.
    """
    rest = _states.decode(state)
    listed = _lists.decode(rest.pop("interfaces", b"null")) or []
    heads = [_heads.decode(raw) for raw in listed]
    withheld = frozenset(head.name for head in heads if head.name in passing and head.far_end and not head.is_pods)
    left_out = {head.name for head in heads if head.is_pods} | withheld
    interfaces = tuple(
        _sorted(filtered_interface(_data(raw), left_out))
        for raw, head in zip(listed, heads, strict=True)
        if not (head.is_pods or head.name in withheld)
    )
    data = _data(msgspec.json.encode(rest))
    if isinstance(data.get("routes"), Mapping):
        data["routes"] = filtered_routes(data["routes"], left_out)
    return Report(interfaces, _sorted(data), withheld)


def shown(current_state: bytes | msgspec.Raw) -> Report:
    """What a NodeNetworkState shows: the same as was reported."""
    rest = _states.decode(current_state)
    listed = _lists.decode(rest.pop("interfaces", b"null")) or []
    return Report(tuple(_sorted(_data(raw)) for raw in listed), _sorted(_data(msgspec.json.encode(rest))))


def _interfaces(old: tuple[bytes, ...], new: tuple[bytes, ...], path: str) -> list[Operation]:
    whole: list[Operation] = [{"op": "add", "path": path, "value": _raw_list(new)}]
    was, will = [_identities.decode(each) for each in old], [_identities.decode(each) for each in new]
    moved = moves(was, will)
    if moved is None:
        return whole
    before = dict(zip(was, old, strict=True))
    found: list[Operation] = [{"op": "remove", "path": f"{path}/{position}"} for position in moved[0]]
    found += [{"op": "add", "path": f"{path}/{at}", "value": msgspec.Raw(new[at])} for at in moved[1]]
    for position, piece in enumerate(new):
        known = before.get(will[position], piece)
        if known != piece:
            found += operations(_data(known), _data(piece), f"{path}/{position}")
    return found if len(msgspec.json.encode(found)) < len(msgspec.json.encode(whole)) else whole


def _raw_list(pieces: tuple[bytes, ...]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]")


def _data(piece: bytes | msgspec.Raw) -> Any:
    return msgspec.json.decode(piece)


def _sorted(data: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(data, order="sorted")
