"""What is to be minded about a policy that is not wrong: its uplinks, what nmstate skips, what stays. Pure."""

from __future__ import annotations

__all__ = ["cuts_near", "leftovers", "missing_cards", "oddities"]

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nmstate_k8s.domain.admission.known import KnownNode
from nmstate_k8s.domain.desired.explain_mistakes import INTERFACE_KEYS
from nmstate_k8s.domain.desired.madeup import CARDS
from nmstate_k8s.domain.desired.members import interfaces_of, ports_of
from nmstate_k8s.domain.desired.paths import DESIRED, field_text
from nmstate_k8s.domain.desired.references import is_reference
from nmstate_k8s.domain.desired.suggest import did_you_mean, some
from nmstate_k8s.domain.desired.unenabled import not_enabled
from nmstate_k8s.domain.desired.unread import unread_keys

MAX_SHOWN = 4


def cuts_near(desired: Any, nodes: Sequence[KnownNode]) -> Iterator[str]:
    """The policy touches what carries the address of a node that it selects."""
    touched = _touched(desired)
    by_interface: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        for name, carrier in node.uplinks.items():
            if name in touched:
                by_interface.setdefault((name, carrier), []).append(node.name)
    for (name, carrier), names in by_interface.items():
        of = f"node {names[0]}" + (f" and of {len(names) - 1} more" if len(names) > 1 else "")
        what = f"carries the address of {of}" if name == carrier else f"is below {carrier}, with the address of {of}"
        yield f"{name} {what}: what goes wrong there is rolled back only after the probes have failed"


def missing_cards(desired: Any, nodes: Sequence[KnownNode]) -> Iterator[str]:
    """The policy names network cards that nodes which it selects do not have."""
    known = [node for node in nodes if node.names]
    for entry in interfaces_of(desired):
        name = entry.get("name")
        if not known or not isinstance(name, str) or is_reference(name) or not _is_plain_card(entry):
            continue
        lacking = [node for node in known if name not in node.names]
        if not lacking:
            continue
        node = lacking[0]
        if len(lacking) < len(known):
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            yield f"{name} is not there on node {node.name}{more}, of {len(known)} that this policy selects"
        else:
            has = f" (node {node.name} has {some(node.cards, MAX_SHOWN)})" if node.cards else ""
            yield f"{name} is there on no node that this policy selects{has}"


def _is_plain_card(entry: Mapping[str, Any]) -> bool:
    """Nothing can make it, and it is meant by its name."""
    up, named = entry.get("state", "up") == "up", entry.get("identifier", "name") == "name"
    return entry.get("type") == "ethernet" and up and named and "veth" not in entry and ":" not in str(entry["name"])


def _touched(desired: Any) -> frozenset[str]:
    entries = [entry for entry in interfaces_of(desired) if entry.get("state") != "ignore"]
    names = [entry.get("name") for entry in entries]
    return frozenset(
        name
        for name in (*names, *(port for entry in entries for port in ports_of(entry)))
        if isinstance(name, str) and not is_reference(name)
    )


def oddities(desired: Any) -> Iterator[str]:
    """What nmstate takes, and may not do: keys that it skips, an interface that is there twice, a family left off."""
    for path, known in unread_keys(desired):
        where = field_text(("spec", DESIRED, *path))
        yield f"{where}: nmstate does not read it (it reads {', '.join(sorted(known))})"
    yield from _unheard_of(desired)
    for path, _, depends in not_enabled(desired):
        where = field_text(("spec", DESIRED, *path))
        yield f"{where} does not say enabled: true: a node skips {depends} where it is not enabled there already"
    first: dict[tuple[Any, bool], int] = {}
    for position, entry in enumerate(interfaces_of(desired)):
        name = entry.get("name")
        key = (name, entry.get("type") == "ovs-bridge")
        if isinstance(name, str) and not is_reference(name) and key in first:
            yield (
                f"{field_text(('spec', DESIRED, 'interfaces', first[key]))}: {name} is there again as "
                f"interfaces[{position}], and only the last one counts"
            )
        if isinstance(name, str):
            first[key] = position


_REPORTED = frozenset({"driver", "max-mtu", "min-mtu", "permanent-mac-address"})
"""Keys of a report, which nmstate takes back."""


def _unheard_of(desired: Any) -> Iterator[str]:
    """Keys of an interface without type: only the node can tell its type, and so which keys it has."""
    for position, entry in enumerate(desired.get("interfaces") or () if isinstance(desired, Mapping) else ()):
        if isinstance(entry, Mapping) and "type" not in entry and entry.get("state") != "absent":
            for key in entry.keys() - _REPORTED - set(INTERFACE_KEYS):
                where = field_text(("spec", DESIRED, "interfaces", position, key))
                yield f"{where}: no type of interface has this key{did_you_mean(key, INTERFACE_KEYS)}"


def leftovers(name: str, desired: Any) -> Iterator[str]:
    """What stays on the nodes when the policy is deleted."""
    up = [
        entry
        for entry in interfaces_of(desired)
        if entry.get("state", "up") == "up" and not is_reference(entry.get("name"))
    ]
    kept = [str(entry.get("name")) for entry in up]
    also = [words for section, words in _SECTIONS if isinstance(desired, Mapping) and desired.get(section)]
    parts = [*([f"interfaces {some(kept, MAX_SHOWN)}"] if kept else []), *also]
    if parts:
        told = f"the nodes keep what policy {name} set: {', '.join(parts)}"
        made = any(entry.get("type") not in CARDS for entry in up)
        yield told + (". To take away what it made, apply it with `state: absent` first" if made else "")


_SECTIONS = (
    ("routes", "routes"),
    ("route-rules", "route rules"),
    ("dns-resolver", "DNS"),
    ("hostname", "the host name"),
    ("ovn", "OVN mappings"),
    ("ovs-db", "the OVS database"),
)
