"""A desired state as single settings, so that two of them can be compared: ``interfaces[eth1].mtu`` is 9000. Pure.

- Who has an interface as its port is a setting of that interface.
- A list is one setting, whatever its order: a bond has these ports and no others.
- Numbers and truth values as text are the same as without quotes. What a capture finds is not known, and left out.
"""

from __future__ import annotations

__all__ = ["Setting", "settings"]

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.members import interfaces_of, ports_of
from nmstate_k8s.domain.desired.references import has_references, is_reference
from nmstate_k8s.domain.desired.secrets import is_secret
from nmstate_k8s.domain.desired.suggest import quoted

_USERSPACE = "ovs-bridge"
"""May have the name of an interface of the kernel."""
_ASIDE = frozenset({"name", "description"})


@dataclass(frozen=True, slots=True)
class Setting:
    """What is set."""

    same: str
    """Equal where the same is meant."""
    shown: str
    """For people; empty for a secret."""


def settings(desired: Any, *, beside: Mapping[str, Setting] | None = None) -> dict[str, Setting]:
    """What a desired state sets, by its path as people say it.

    `beside`: of interfaces only those that these settings are about.
    """
    if not isinstance(desired, Mapping):
        return {}
    about = None if beside is None else {path.partition("]")[0] for path in beside}
    return dict(_settings(desired, about))


def _settings(desired: Mapping[str, Any], about: set[str] | None) -> Iterator[tuple[str, Setting]]:
    for entry in interfaces_of(desired):
        name = entry.get("name")
        if isinstance(name, str) and name and not is_reference(name):
            yield from _interface(entry, name, about)
    for section in ("dns-resolver", "hostname", "ovs-db"):
        if isinstance(config := desired.get(section), Mapping):
            yield from _leaves(config, section)
    yield from _routes(desired.get("routes"))
    yield from _mappings(desired.get("ovn"))


def _interface(entry: Mapping[str, Any], name: str, about: set[str] | None) -> Iterator[tuple[str, Setting]]:
    kind = entry.get("type")
    where = f"interfaces[{name}" if kind != _USERSPACE else f"interfaces[{name}, {kind}"
    state = entry.get("state", "up")
    if state == "absent":
        yield f"{where}].state", _setting("state", state)
        return
    if about is None or where in about:
        yield from _leaves({**entry, "state": state}, f"{where}]")
    for port in ports_of(entry):
        if not is_reference(port):
            yield f"the controller of {port}", Setting(name, name)


def _leaves(value: Mapping[str, Any], where: str) -> Iterator[tuple[str, Setting]]:
    for key, inner in value.items():
        if key in _ASIDE or inner is None:
            continue
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{where}.{key}")
        elif not has_references(inner):
            yield f"{where}.{key}", _setting(key, inner)


def _setting(key: str, value: Any) -> Setting:
    shown = "" if is_secret(key, value) else quoted(value).strip('"')
    if isinstance(value, list):
        shown = ", ".join(str(entry) for entry in value if not isinstance(entry, Mapping | list)) or shown
        return Setting(repr(sorted(_same(entry) for entry in value)), shown)
    return Setting(_same(value), shown)


def _same(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return msgspec.json.encode(value, order="deterministic").decode().replace('"', "").lower()
    return str(value).lower()


def _routes(routes: Any) -> Iterator[tuple[str, Setting]]:
    listed = routes.get("config") if isinstance(routes, Mapping) else None
    for route in listed if isinstance(listed, list) else ():
        if not isinstance(route, Mapping) or has_references(route):
            continue
        to, via, next_hop = (route.get(key, "") for key in ("destination", "next-hop-interface", "next-hop-address"))
        where = f"the route to {to} through {next_hop or via} on {via}, table {route.get('table-id', 254)}"
        yield where, _setting("state", route.get("state", "present"))


def _mappings(ovn: Any) -> Iterator[tuple[str, Setting]]:
    listed = ovn.get("bridge-mappings") if isinstance(ovn, Mapping) else None
    for mapping in listed if isinstance(listed, list) else ():
        if isinstance(mapping, Mapping) and isinstance(net := mapping.get("localnet"), str) and not is_reference(net):
            yield from _leaves({"state": "present", **mapping}, f"ovn.bridge-mappings[{net}]")
