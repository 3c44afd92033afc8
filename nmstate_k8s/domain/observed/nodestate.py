"""What of a NodeNetworkState is counted: interfaces by type, routes by family and by where they come from.

A state may be of a megabyte, and the cluster has one for each node: the counts are taken when it arrives, and kept
with what else is kept of it (``counted``).
"""

from __future__ import annotations

__all__ = ["Counts", "counted", "counts"]

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from nmstate_k8s.core.errors import MalformedObject
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.observed.words import MOST, OTHER, word

_MAIN_TABLE: Final = 254


class _Interface(msgspec.Struct):
    type: object = OTHER


class _Route(msgspec.Struct, rename="kebab"):
    """Numbers may come as text, as everywhere in nmstate's states."""

    destination: str = ""
    next_hop_interface: str = ""
    next_hop_address: str = ""
    metric: int | str | None = None
    table_id: int | str | None = None

    @property
    def way(self) -> tuple[str, str, str, str]:
        table = str(self.table_id or _MAIN_TABLE)
        return self.destination, self.next_hop_interface, self.next_hop_address, table

    @property
    def preference(self) -> str | None:
        """None where nothing is said: the kernel or NetworkManager chooses."""
        return None if self.metric is None or str(self.metric).startswith("-") else str(self.metric)


class _Routes(msgspec.Struct):
    running: tuple[_Route, ...] = ()
    config: tuple[_Route, ...] = ()


class _State(msgspec.Struct):
    interfaces: tuple[_Interface, ...] = ()
    routes: _Routes = msgspec.field(default_factory=_Routes)


class _Status(msgspec.Struct, rename="camel"):
    current_state: _State | None = None


class _NodeState(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class Counts(msgspec.Struct, frozen=True):
    """The numbers of one node."""

    interfaces: dict[str, int] = msgspec.field(default_factory=dict)
    """By type."""
    routes: dict[str, int] = msgspec.field(default_factory=dict)
    """By `ipv4/static`, `ipv4/dynamic`, `ipv6/static`, `ipv6/dynamic`."""


class _Counted(msgspec.Struct):
    counts: Counts = Counts()


def counted(whole: Object, kept: Object) -> Object:
    """What is kept of a NodeNetworkState, with the counts of the whole one.

    Of a state that is none of nmstate's nothing is counted.
    """
    try:
        state = whole.view(_NodeState).status.current_state or _State()
    except MalformedObject:  # whatever a node writes, neither memory nor log is to fill with it
        state = _State()
    found = Counts(_interfaces(state.interfaces), _routes(state.routes))
    return kept.with_raw(msgspec.json.encode({**kept.view(dict[str, msgspec.Raw]), "counts": found}))


def counts(kept: Object) -> Counts:
    """What ``counted`` added."""
    return kept.view(_Counted).counts


def _interfaces(interfaces: Iterable[_Interface]) -> dict[str, int]:
    found = Counter(word(each.type) for each in interfaces)
    kept = dict(found.most_common(MOST - 1))
    if left := found.total() - sum(kept.values()):
        kept[OTHER] = kept.get(OTHER, 0) + left
    return kept


def _routes(routes: _Routes) -> dict[str, int]:
    """A running route is static where the configuration has it, too: with that metric, or without saying which."""
    configured: Mapping[tuple[str, ...], set[str | None]] = _metrics(routes.config)
    found: Counter[str] = Counter()
    for route in routes.running:
        metrics = configured.get(route.way, set())
        static = None in metrics or route.preference in metrics
        family = "ipv6" if ":" in route.destination else "ipv4"
        found[f"{family}/{'static' if static else 'dynamic'}"] += 1
    return dict(found)


def _metrics(routes: Iterable[_Route]) -> dict[tuple[str, ...], set[str | None]]:
    found: dict[tuple[str, ...], set[str | None]] = {}
    for route in routes:
        found.setdefault(route.way, set()).add(route.preference)
    return found
