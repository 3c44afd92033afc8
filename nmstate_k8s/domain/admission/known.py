"""What admission knows of the nodes: which one a policy selects, what carries its address, what it has already. Pure.

A NodeNetworkState may have 200 kB, and there are a thousand. Of one, admission reads which interfaces there are and how
they hang together, where addresses and default routes are, and what only a node that has it already may be told to
keep: scripts and masked secrets. `slim_node_state` cuts it down to that before a cache keeps it. What a node reports is
its own word: whatever it is, it neither fills the cache nor ends a judgement.
"""

from __future__ import annotations

__all__ = ["PLAIN_NAME", "KnownNode", "known_nodes", "slim_node_state"]

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from nmstate_k8s.core.errors import MalformedObject
from nmstate_k8s.core.objects import Object, ObjectMeta
from nmstate_k8s.domain.desired.members import interfaces_of, ports_of
from nmstate_k8s.domain.desired.secrets import MASK

_DEFAULT = frozenset({"0.0.0.0/0", "::/0"})
_MAIN_TABLE = 254
_BASED = ("vlan", "vxlan", "mac-vlan", "mac-vtap", "ipvlan", "macsec")
PLAIN_NAME = re.compile(r"[\w.@:-]{1,64}")
"""A name that can be shown, whoever says it."""
MAX_BYTES = 64 * 1024
"""Of a state that is kept. One that is cut down and still larger says nothing."""


class _Entry(msgspec.Struct, omit_defaults=True):
    """An interface."""

    name: str
    type: str = ""
    also: list[str] = msgspec.field(default_factory=list)
    """Its other names."""
    addresses: list[str] = msgspec.field(default_factory=list)
    below: list[str] = msgspec.field(default_factory=list)
    """Its ports and its base."""
    controller: str = ""
    kept: dict[str, Any] = msgspec.field(default_factory=dict)
    """Scripts, and sections in which a secret is masked."""


class _Reported(msgspec.Struct, omit_defaults=True):
    """What a node reports, cut down."""

    interfaces: list[_Entry] = msgspec.field(default_factory=list)
    defaults: list[str] = msgspec.field(default_factory=list)
    """The interfaces of its default routes."""


class _Slim(msgspec.Struct):
    metadata: ObjectMeta
    reported: _Reported | msgspec.UnsetType = msgspec.UNSET


class _Address(msgspec.Struct):
    type: str = ""
    address: str = ""


class _NodeStatus(msgspec.Struct):
    addresses: tuple[_Address, ...] = ()


class _Node(msgspec.Struct):
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


class _StateStatus(msgspec.Struct, rename="camel"):
    current_state: Any = None


class _State(msgspec.Struct):
    status: _StateStatus = msgspec.field(default_factory=_StateStatus)


@dataclass(frozen=True)
class KnownNode:
    """A node, as far as it is known."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    """By which the cluster reaches it; empty: not known."""
    state: Object | None = None
    """Its NodeNetworkState, whole or cut down; read when it is first asked for."""

    @cached_property
    def reported(self) -> _Reported:
        """What it reports; nothing, if it never did."""
        if self.state is None:
            return _Reported()
        slim = self.state.view(_Slim).reported
        return _reported(self.state) if isinstance(slim, msgspec.UnsetType) else slim

    @cached_property
    def names(self) -> frozenset[str]:
        """Of its interfaces, other names included; none: nothing is known of them."""
        return frozenset(name for entry in self.reported.interfaces for name in (entry.name, *entry.also))

    @property
    def cards(self) -> list[str]:
        """Its network cards, by names that can be shown."""
        cards = (entry.name for entry in self.reported.interfaces if entry.type == "ethernet")
        return sorted(name for name in cards if PLAIN_NAME.fullmatch(name))

    @cached_property
    def interfaces(self) -> Mapping[str, Mapping[str, Any]]:
        """What it has already that may be said again, by the interface's name."""
        return {name: entry.kept for entry in self.reported.interfaces for name in (entry.name, *entry.also)}

    @cached_property
    def uplinks(self) -> Mapping[str, str]:
        """Interfaces on which the node's address depends, and the one that has it: itself, its ports, its bases."""
        found: dict[str, str] = {}
        if carriers := [name for name in self._carriers() if PLAIN_NAME.fullmatch(name)]:
            entries = {entry.name: entry for entry in self.reported.interfaces}
            for carrier in carriers:
                waiting = [carrier]
                while waiting:
                    name = waiting.pop()
                    if name not in found and name in entries:
                        found[name] = carrier
                        waiting += entries[name].below
                        waiting += [entry.name for entry in self.reported.interfaces if entry.controller == name]
        return found

    def _carriers(self) -> list[str]:
        """The interfaces that have the node's address; where that is not known, those of the default routes."""
        having = [entry.name for entry in self.reported.interfaces if not self.addresses.isdisjoint(entry.addresses)]
        return having or self.reported.defaults


def known_nodes(nodes: Sequence[Object], states: Sequence[Object]) -> list[KnownNode]:
    """Each Node with the NodeNetworkState of its name, if there is one."""
    by_name = {state.name: state for state in states}
    return [_known(node, by_name.get(node.name)) for node in nodes]


def _known(node: Object, state: Object | None) -> KnownNode:
    addresses = node.view(_Node).status.addresses
    reached = frozenset(each.address for each in addresses if each.type in ("InternalIP", "ExternalIP"))
    return KnownNode(node.name, node.labels, reached, state)


# --- Cut down before it is kept ---------------------------------------------------------------------------------


def slim_node_state(state: Object) -> Object:
    """The NodeNetworkState with only what this module reads."""
    reported = _reported(state)
    if len(msgspec.json.encode(reported)) > MAX_BYTES:
        reported = _Reported()
    meta = state.metadata
    named = ObjectMeta(name=meta.name, uid=meta.uid, resource_version=meta.resource_version)
    return state.with_raw(msgspec.json.encode(_Slim(named, reported)))


def _reported(state: Object) -> _Reported:
    try:
        whole = state.view(_State).status.current_state
        return _Reported([_slim(entry) for entry in interfaces_of(whole)], list(dict.fromkeys(_defaults(whole))))
    except (MalformedObject, RecursionError):
        return _Reported()


def _slim(entry: Mapping[str, Any]) -> _Entry:
    return _Entry(
        name=str(entry.get("name", "")),
        type=str(entry.get("type", "")),
        also=list(_others(entry.get("alt-names"))),
        addresses=list(_addresses(entry)),
        below=[*ports_of(entry), *_bases(entry)],
        controller=str(entry.get("controller") or ""),
        kept={key: value for key, value in entry.items() if key == "dispatch" or _has_mask(value)},
    )


def _others(names: Any) -> Iterator[str]:
    for other in names if isinstance(names, list) else ():
        yield str(other.get("name") if isinstance(other, Mapping) else other)


def _addresses(entry: Mapping[str, Any]) -> Iterator[str]:
    for family in ("ipv4", "ipv6"):
        config = entry.get(family)
        listed = config.get("address") if isinstance(config, Mapping) else None
        for address in listed if isinstance(listed, list) else ():
            if isinstance(address, Mapping) and isinstance(ip := address.get("ip"), str):
                yield ip


def _bases(entry: Mapping[str, Any]) -> Iterator[str]:
    for section in _BASED:
        config = entry.get(section)
        base = config.get("base-iface") if isinstance(config, Mapping) else None
        if isinstance(base, str) and base:
            yield base


def _has_mask(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_mask, value.values()))
    return bool(value == MASK)


def _defaults(state: Any) -> Iterator[str]:
    routes = state.get("routes") if isinstance(state, Mapping) else None
    running = routes.get("running") if isinstance(routes, Mapping) else None
    for route in running if isinstance(running, list) else ():
        if not isinstance(route, Mapping) or str(route.get("destination")) not in _DEFAULT:
            continue
        if route.get("table-id", _MAIN_TABLE) == _MAIN_TABLE:
            yield str(route.get("next-hop-interface"))
