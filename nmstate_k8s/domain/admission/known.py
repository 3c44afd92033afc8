"""What admission knows of the nodes: which one a policy selects, what carries its address, what it has already. Pure.

A NodeNetworkState may have 200 kB. Of it, admission reads which interfaces there are and how they hang together,
where addresses and default routes are, and what only a node that has it already may be told to keep: scripts and
masked secrets. `slim_node_state` cuts one down to that before a cache keeps it. What a node reports is its own word:
whatever it is, it neither fills the cache nor ends a judgement.
"""

from __future__ import annotations

__all__ = ["PLAIN_NAME", "KnownNode", "known_nodes", "slim_node_state"]

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from nmstate_k8s.core.objects import Object, ObjectMeta
from nmstate_k8s.domain.desired.checks import Before
from nmstate_k8s.domain.desired.members import interfaces_of, ports_of
from nmstate_k8s.domain.desired.secrets import MASK

_DEFAULT = frozenset({"0.0.0.0/0", "::/0"})
_MAIN_TABLE = 254
_KEPT = frozenset({"name", "type", "state", "alt-names", "dispatch", "controller"})
_BASED = ("vlan", "vxlan", "mac-vlan", "mac-vtap", "ipvlan", "macsec")
_WITH_PORTS = ("bridge", "link-aggregation", "vrf")
PLAIN_NAME = re.compile(r"[\w.@:-]{1,64}")
"""A name that can be shown, whoever says it."""
MAX_BYTES = 64 * 1024
"""Of a state that is kept. One that is cut down and still larger says nothing."""


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
    state: Any = None
    """What it reports; None: nothing yet."""

    @cached_property
    def before(self) -> Before:
        """Its state, for the checks of what it has already."""
        return Before(msgspec.json.encode(self.state) if self.state else b"")

    @cached_property
    def uplinks(self) -> Mapping[str, str]:
        """Interfaces on which the node's address depends, and the one that has it: itself, its ports, its bases."""
        entries = {str(entry.get("name")): entry for entry in interfaces_of(self.state)}
        found: dict[str, str] = {}
        for carrier in self._carriers():
            waiting = [carrier]
            while waiting:
                name = waiting.pop()
                if name not in found and name in entries:
                    found[name] = carrier
                    waiting += _below(entries[name])
                    waiting += [port for port, entry in entries.items() if entry.get("controller") == name]
        return found

    def _carriers(self) -> Iterator[str]:
        """The interfaces that have the node's address; where that is not known, those of the default routes."""
        having = [
            str(entry.get("name")) for entry in interfaces_of(self.state) if self.addresses & set(_addresses(entry))
        ]
        found = having or [str(route.get("next-hop-interface")) for route in _default_routes(self.state)]
        yield from (name for name in found if PLAIN_NAME.fullmatch(name))


def known_nodes(nodes: Sequence[Object], states: Sequence[Object]) -> list[KnownNode]:
    """Each Node with the NodeNetworkState of its name, if there is one."""
    by_name = {state.name: state for state in states}
    return [_known(node, by_name.get(node.name)) for node in nodes]


def _known(node: Object, state: Object | None) -> KnownNode:
    addresses = node.view(_Node).status.addresses
    return KnownNode(
        node.name,
        node.labels,
        frozenset(each.address for each in addresses if each.type in ("InternalIP", "ExternalIP")),
        state.view(_State).status.current_state if state is not None else None,
    )


def slim_node_state(state: Object) -> Object:
    """The NodeNetworkState with only what this module reads."""
    whole = state.view(_State).status.current_state
    slim: dict[str, Any] = {
        "interfaces": [_slim(entry) for entry in interfaces_of(whole)],
        "routes": {"running": _default_routes(whole)},
    }
    if len(msgspec.json.encode(slim)) > MAX_BYTES:
        slim = {}
    meta = state.metadata
    named = ObjectMeta(name=meta.name, uid=meta.uid, resource_version=meta.resource_version)
    return state.with_raw(msgspec.json.encode({"metadata": named, "status": {"currentState": slim}}))


def _slim(entry: Mapping[str, Any]) -> dict[str, Any]:
    slim = {key: value for key, value in entry.items() if key in _KEPT or _has_mask(value)}
    for family in ("ipv4", "ipv6"):
        if addresses := [{"ip": ip} for ip in _addresses({family: entry.get(family)})]:
            slim[family] = {"address": addresses}
    for section in _BASED:
        if base := _base(entry, section):
            slim[section] = {"base-iface": base}
    if ports := list(ports_of(entry)):
        section = next(section for section in _WITH_PORTS if section in entry)
        slim[section] = {"port": ports}
    return slim


def _has_mask(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_mask, value.values()))
    return bool(value == MASK)


def _addresses(entry: Mapping[str, Any]) -> Iterator[str]:
    for family in ("ipv4", "ipv6"):
        config = entry.get(family)
        listed = config.get("address") if isinstance(config, Mapping) else None
        for address in listed if isinstance(listed, list) else ():
            if isinstance(address, Mapping) and isinstance(ip := address.get("ip"), str):
                yield ip


def _default_routes(state: Any) -> list[Mapping[str, Any]]:
    routes = state.get("routes") if isinstance(state, Mapping) else None
    running = routes.get("running") if isinstance(routes, Mapping) else None
    return [
        route
        for route in (running if isinstance(running, list) else ())
        if isinstance(route, Mapping)
        and str(route.get("destination")) in _DEFAULT
        and route.get("table-id", _MAIN_TABLE) == _MAIN_TABLE
    ]


def _below(entry: Mapping[str, Any]) -> list[str]:
    return [*ports_of(entry), *(base for section in _BASED if (base := _base(entry, section)))]


def _base(entry: Mapping[str, Any], section: str) -> str:
    config = entry.get(section)
    base = config.get("base-iface") if isinstance(config, Mapping) else None
    return base if isinstance(base, str) else ""
