"""libnmstate's refusals, as a person on call can use them: what in the policy, what exists instead, what next. Pure.

`Explanation.cause` is a part of a sentence; what libnmstate said is kept whole in the fault's details. A message
that no row of the tables knows keeps its own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from re import Match
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.explain_apply import AFTER_APPLY
from nmstate_k8s.domain.desired.members import interfaces_of
from nmstate_k8s.domain.desired.paths import Path
from nmstate_k8s.domain.desired.suggest import there

__all__ = [
    "MAX_EXPLAINED",
    "NOT_FOUND",
    "SECTIONS",
    "Explanation",
    "explain_refusal",
    "first_sentence",
    "interfaces_there",
    "known_keys",
    "names_its_place",
]

NOT_FOUND = "InterfaceNotFound"
MAX_EXPLAINED = 8 * 1024
"""Characters of a message in which a row is looked for: it quotes the policy, and some searches take the square."""
_CARDS = ("ethernet", "veth", "infiniband")
SECTIONS: Mapping[str, str] = {
    "link-aggregation": "bond",
    "bridge": "linux-bridge or ovs-bridge",
    "vlan": "vlan",
    "vxlan": "vxlan",
    "vrf": "vrf",
    "veth": "veth",
    "mac-vlan": "mac-vlan",
    "macsec": "macsec",
    "ipvlan": "ipvlan",
    "libreswan": "ipsec",
}
"""An interface with such a section is of that type, also where the policy forgot to say so."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, for people, and about which interface, where it is about one."""

    cause: str
    interface: str = ""
    advice: str = ""
    """What to do next, where that is more than to correct the policy."""
    reason: str = ""
    """One word, where libnmstate's own is too wide."""
    path: Path = ()
    """In the desired state, where the place is known."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a row may look at."""

    desired: Any
    there: list[str]

    def missing(self, name: str) -> str:
        """`eth666 does not exist (there are eth0, eth1)`."""
        return f"{name} does not exist{there(name, self.there)}"

    def entry(self, name: str) -> Mapping[str, Any]:
        return next((entry for entry in interfaces_of(self.desired) if entry.get("name") == name), {})


def explain_refusal(message: str, desired: Any, existing: Iterable[str]) -> Explanation:
    """A state that libnmstate can read but not bring about."""
    scene = _Scene(desired, sorted(set(existing)))
    message = message[:MAX_EXPLAINED]
    for pattern, row in _ROWS:
        if match := re.search(pattern, message, re.DOTALL):
            return row(match, scene)
    for pattern, cause, advice in AFTER_APPLY:
        if match := re.search(pattern, message, re.DOTALL):
            named = match.groupdict().get("name") or ""
            return Explanation(match.expand(cause), named or _named(message, desired), match.expand(advice))
    return Explanation(first_sentence(message), _named(message, desired))


def names_its_place(message: str) -> bool:
    """Whether a row knows this message: then its place in the policy need not be searched for."""
    return any(re.search(pattern, message[:MAX_EXPLAINED], re.DOTALL) for pattern, _ in _ROWS)


def interfaces_there(state: bytes) -> list[str]:
    """The names that a policy can mean to use: network cards, or whatever there is but the loopback."""
    found = interfaces_of(msgspec.json.decode(state)) if state else []
    names = [(str(entry.get("name")), entry.get("type")) for entry in found if entry.get("state") != "ignore"]
    return [name for name, kind in names if kind in _CARDS] or [name for name, _ in names if name != "lo"]


def known_keys(state: bytes) -> frozenset[str]:
    """Every key that this node's own state uses: what a misspelt one was probably meant to be."""
    return frozenset(_all_keys(msgspec.json.decode(state))) if state else frozenset()


# --- Rows ---------------------------------------------------------------------------------------------------------

Row = Callable[[Match[str], _Scene], Explanation]


def _says(cause: str) -> Row:
    """A row that only puts names into a sentence."""
    return lambda match, _: Explanation(match.expand(cause), match.groupdict().get("name") or "")


def _missing(about: str) -> Row:
    """A row about something that does not exist; `about` stands before its name."""

    def row(match: Match[str], scene: _Scene) -> Explanation:
        name = match.group("name")
        cause = f"{match.expand(about)} {scene.missing(name)}"
        return Explanation(cause, match.groupdict().get("owner") or name, reason=NOT_FOUND)

    return row


def _missing_card(match: Match[str], scene: _Scene) -> Explanation:
    """All that are missing, in the policy's order: libnmstate names any one of them."""
    name = match.group("name")
    if scene.entry(name).get("type") == "veth":
        return Explanation(f"veth {name} has no peer to be made with: veth.peer is missing", name)
    missing = [
        str(entry.get("name"))
        for entry in interfaces_of(scene.desired)
        if entry.get("type") == "ethernet" and entry.get("state", "up") == "up" and entry["name"] not in scene.there
    ]
    if len(missing) < 2 or name not in missing:
        return Explanation(f"interface {scene.missing(name)}", name, reason=NOT_FOUND)
    shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return Explanation(f"interfaces {shown} do not exist{there(missing[0], scene.there)}", missing[0], reason=NOT_FOUND)


def _missing_without_type(match: Match[str], scene: _Scene) -> Explanation:
    name = match.group("name")
    entry = scene.entry(name)
    if section := next((key for key in SECTIONS if key in entry), ""):
        meant = f"having {section}, it is probably type: {SECTIONS[section]}"
        return Explanation(f"interface {name} does not exist, and has no type to be made of ({meant})", name)
    if isinstance(kind := entry.get("type"), str) and kind != "unknown":
        return Explanation(f'interface {name} does not exist, and nmstate cannot make one of type "{kind}"', name)
    return Explanation(f"interface {scene.missing(name)}", name, reason=NOT_FOUND)


_ROUTE = r"destination: (?P<to>\S+?)(?: next-hop-interface: (?P<name>[^\s']+))?(?: [^']*)?'"

_ROWS: tuple[tuple[str, Row], ...] = (
    (r"Ethernet interface (?P<name>\S+) does not exist", _missing_card),
    (r"Failed to find unknown type interface (?P<name>\S+) ", _missing_without_type),
    (r"interface (?P<owner>\S+) is holding unknown port (?P<name>\S+)", _missing(r"\g<owner>'s port")),
    (r"Failed to find interface (?P<name>\S+) for copy-mac-from of iface (?P<owner>\S+)", _missing("copy-mac-from:")),
    (r"Interface (?P<owner>\S+) desired controller (?P<name>\S+) not found", _missing(r"\g<owner>'s controller")),
    (rf"Route '{_ROUTE}: next hop interface \S+ not found", _missing(r"the route to \g<to>: interface")),
    (
        rf"Route '{_ROUTE} has been marked as (?P<family>IPv\d) disabled",
        _says(r"the route to \g<to> leaves through \g<name>, where \g<family> is disabled"),
    ),
    (
        r"Route with empty next hop interface .* destination: Some\(\"(?P<to>[^\"]+)\"\)",
        _says(r"the route to \g<to> has no next-hop-interface"),
    ),
    (rf"VRF defined in Route '{_ROUTE}", _says(r"the VRF of the route to \g<to> does not exist")),
    (
        r"Port (?P<name>\S+) is overbooked by two controller: (?P<one>\S+), (?P<two>\S+)",
        lambda match, _: Explanation(
            f"{match['name']} is a port of both {' and '.join(sorted((match['one'], match['two'])))}", match["name"]
        ),
    ),
    (
        r"Interface (?P<name>\S+) cannot have IP enabled as it is attached to controller (?P<owner>\S+)",
        _says(r"\g<name> is a port of \g<owner> and cannot have addresses; give them to \g<owner>"),
    ),
    (
        r"interface (?P<name>\S+) holds different interface type .* desired (?P<want>\S+) vs current (?P<have>\S+)",
        _says(r"\g<name> is of type \g<have>, the policy says \g<want>"),
    ),
    (
        r"Missing '(?P<section>[\w-]+)\.base-iface' for interface '(?P<name>[^']+)'",
        _says(r"\g<name> has no \g<section>.base-iface"),
    ),
    (r"Bond mode is mandatory for new bond interface: (?P<name>\S+)", _says(r"\g<name> has no link-aggregation.mode")),
    (
        r"Route table ID undefined or 0 .* VRF interface (?P<name>\S+)",
        _says(r"\g<name> has no vrf.route-table-id (or it is 0)"),
    ),
    (
        r"Interface (?P<name>\S+) cannot be in up state as its parent (?P<base>\S+) has been marked as absent",
        _says(r"\g<name> needs \g<base>, which the policy takes away (state: absent)"),
    ),
    (
        r"Desired MTU (?P<mtu>\d+) for interface (?P<name>\S+) is (?P<way>\w+) than \w+ allowed MTU (?P<limit>\d+)",
        lambda match, _: Explanation(
            f"mtu {match['mtu']} of {match['name']} is {match['way']} than the {match['limit']} that it can do",
            match["name"],
        ),
    ),
    (
        r"Desired interface (?P<name>\S+) has `identifier: mac-address` with MAC address (?P<mac>\S+),",
        _says(r"no interface has the MAC address \g<mac> that \g<name> is identified by"),
    ),
    (r"Invalid DNS server string (?P<what>\S+)", _says(r'DNS server "\g<what>" is not an IP address')),
    (
        r"Unsupported DNS option (?P<what>\S+),",
        _says(r'"\g<what>" is no DNS option (see resolv.conf(5), for example rotate, timeout:2)'),
    ),
    (
        r"no OVS bridge holding name desired by OVN bridge (?P<name>\S+) localnet (?P<net>\S+)",
        _says(r"there is no OVS bridge \g<name>, which ovn.bridge-mappings names for \g<net>"),
    ),
    (
        r"Failed to set up priority: nmstate only support nested",
        _says("interfaces are ports of one another in a circle, or in more than 4 levels"),
    ),
    (
        r"Failed to find SR-IOV VF interface name for sriov:(?P<name>[^:\s]+):(?P<vf>\d+)",
        _says(r"\g<name> has no virtual function \g<vf> (ethernet.sr-iov.total-vfs says how many are made)"),
    ),
)


def first_sentence(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else "no reason was given"
    return first.rstrip(".")


def _all_keys(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        yield from value
        for inner in value.values():
            yield from _all_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _all_keys(inner)


def _named(message: str, desired: Any) -> str:
    """The first interface of the desired state that the message names as a word of its own."""
    words = set(re.findall(r"[\w.@:-]+", message)) | set(re.findall(r"\w+", message))
    names = (str(entry.get("name", "")) for entry in interfaces_of(desired))
    return next((name for name in names if name and name in words), "")
