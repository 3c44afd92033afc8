"""What is wrong with a desired state that libnmstate cannot read, in the words of the policy. Pure.

libnmstate's reader speaks of Rust: `invalid type: map, expected a sequence`. A person needs the place, what stands
there, and what should.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nmstate_k8s.domain.desired.explain import MAX_EXPLAINED, SECTIONS, Explanation, first_sentence
from nmstate_k8s.domain.desired.paths import Path, interface_at, path_text, value_at
from nmstate_k8s.domain.desired.secrets import MASK
from nmstate_k8s.domain.desired.suggest import did_you_mean, quoted, some
from nmstate_k8s.domain.desired.unread import unread_keys

__all__ = ["INTERFACE_KEYS", "INTERFACE_TYPES", "explain_mistake", "explain_place", "misspelt_keys", "misspelt_types"]

INTERFACE_TYPES = (
    "bond", "dummy", "ethernet", "hsr", "infiniband", "ip-tunnel", "ipsec", "ipvlan", "linux-bridge", "loopback",
    "mac-vlan", "mac-vtap", "macsec", "ovs-bridge", "ovs-interface", "tun", "unknown", "veth", "vlan", "vrf", "vxlan",
    "xfrm",
)  # fmt: skip

MAX_UNKNOWN = 100
"""Types that are none, of which one may be misspelt: likeness is costly."""

INTERFACE_KEYS = (
    "802.1x", "accept-all-mac-addresses", "alt-names", "bridge", "controller", "copy-mac-from", "description",
    "dispatch", "dpdk", "ethernet", "ethtool", "hsr", "identifier", "infiniband", "ip-tunnel", "ipv4", "ipv6", "ipvlan",
    "libreswan", "link-aggregation", "lldp", "mac-address", "mac-vlan", "mac-vtap", "macsec", "mptcp", "mtu", "name",
    "ovs-db", "patch", "pci-address", "profile-name", "state", "type", "veth", "vlan", "vrf", "vxlan", "wait-ip",
)  # fmt: skip
"""Keys of an interface of one type or another. Of these libnmstate does not say which it expected."""

_TOP = "desiredState"

_WANTED: tuple[tuple[str, str], ...] = (
    (r"a sequence", "a list"),
    (r"struct .*|internally tagged.*|a map", "a mapping"),
    (r"unsigned integer.*|u\d+", "a number of at least 0"),
    (r"signed integer.*|i\d+", "a whole number"),
    (r"a string", "text"),
    (r"a boolean.*|bool.*|Need to be boolean.*", "true or false"),
)

_EXAMPLES: Mapping[str, str] = {
    "address": "{ip: 192.0.2.1, prefix-length: 24}",
    "port": "{name: eth1}",
    "alt-names": "{name: uplink}",
    "hostname": "{config: node-a}",
    "lldp": "{enabled: true}",
    "stp": "{enabled: false}",
    "ipv4": "{enabled: true}",
    "ipv6": "{enabled: true}",
    "routes": "{config: [{destination: 198.51.100.0/24, …}]}",
    "interfaces": "{name: eth1, type: ethernet, state: up}",
}
"""What an entry of a list, or the value of a key, looks like where it is to be a mapping."""

_OF_A_FAMILY = frozenset({"enabled", "dhcp", "address", "ip", "prefix-length", "autoconf", "auto-dns", "auto-routes"})

_IMPOSSIBLE: tuple[tuple[str, str], ...] = (
    (r"invalid digit found in string|cannot parse integer.*", "not a number"),
    (r"number too (large|small).*|out of range integral.*", "out of range"),
    (r"invalid (IP|IPv4|IPv6) address syntax", "not an IP address"),
    (r"cannot be represented.*|invalid value: integer.*", "out of range"),
)


def explain_mistake(message: str, desired: Any, path: Path, known: Iterable[str] = ()) -> Explanation:
    """A state that libnmstate cannot read: `path` is the part to blame, `known` the keys that exist on the node."""
    if "invalid type: sequence, " in message:
        path = _up_to_list(desired, path)
    interface = interface_at(desired, path)
    message = message[:MAX_EXPLAINED]
    if match := re.search(r"unknown field `([^`]*)`(?:, expected (.*))?", message, re.DOTALL):
        found, expected = match.group(1), re.findall(r"`([^`]+)`", match.group(2) or "")
        holder = _holder_of(found, desired, path)
        cause = _unknown_key(found, desired, holder, expected or [*known, *INTERFACE_KEYS])
        return Explanation(cause, interface, path=(*holder, found))
    return Explanation(_misread(message, desired, path), interface, path=path)


def _misread(message: str, desired: Any, path: Path) -> str:
    if match := re.search(r"unknown variant `([^`]*)`, expected (.*)", message, re.DOTALL):
        found, expected = match.group(1), _values(match.group(2))
        where = path_text(desired, path)
        hint = did_you_mean(found, expected) or (f" (one of {some(expected, 8)})" if expected else "")
        return f'"{found}" is no value{f" for {where}" if where else ""}{hint}'
    if match := re.search(r"missing field `([^`]*)`", message):
        return f"{_where(desired, path)} has no {match.group(1)}"
    if match := re.search(r"invalid type: .*, expected (.*)", message, re.DOTALL):
        return _wrong_type(match.group(1), desired, path)
    for pattern, text in _IMPOSSIBLE:
        if re.fullmatch(pattern, message):
            value = value_at(desired, path)
            prefix = text == "not an IP address" and isinstance(value, str) and "/" in value
            hint = " (the length of its prefix goes into prefix-length)" if prefix else ""
            return f"{_where(desired, path)} is {quoted(value)}, {text}{hint}"
    return f"{_where(desired, path)}: {message}" if path else message


def explain_place(message: str, desired: Any, path: Path) -> Explanation:
    """A refusal that does not say where: `path` is the part to blame."""
    value, interface = value_at(desired, path), interface_at(desired, path)
    where = path_text(desired, path)
    if re.search(r"invalid (IP|IPv4|IPv6) address syntax", message) and isinstance(value, str):
        return Explanation(f"{where} is {quoted(value)}, not an IP address", interface, path=path)
    said = first_sentence(message)
    cause = f"{where}: {said}" if where and not (interface and interface in said) else said
    return Explanation(cause, interface, path=path)


def misspelt_types(desired: Any) -> Explanation | None:
    """An interface type that is nearly one of libnmstate's: it would leave such an interface out without a word."""
    listed = desired.get("interfaces") if isinstance(desired, Mapping) else None
    unknown: set[str] = set()
    for position, entry in enumerate(listed if isinstance(listed, list) else []):
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if not isinstance(kind, str) or kind in INTERFACE_TYPES or kind in unknown or len(unknown) >= MAX_UNKNOWN:
            continue
        unknown.add(kind)
        if hint := did_you_mean(kind, INTERFACE_TYPES):
            name, path = str(entry.get("name", "")), ("interfaces", position, "type")
            return Explanation(f'"{kind}" is no value for interfaces[{name}].type{hint}', name, path=path)
    return None


def misspelt_keys(desired: Any) -> Explanation | None:
    """A key that is nearly one that would be read: libnmstate would skip it without a word."""
    for path, known in unread_keys(desired):
        found, holder = str(path[-1]), path[:-1]
        if did_you_mean(found, known - set(value_at(desired, holder))):
            cause = _unknown_key(found, desired, holder, sorted(known))
            return Explanation(cause, interface_at(desired, path), path=path)
    return None


def _values(expected: str) -> list[str]:
    """What people write: not the kernel's numbers for it, nor the word for what libnmstate does not know."""
    return [value for value in re.findall(r"`([^`]+)`", expected) if not value.isdigit() and value != "unknown"]


def _where(desired: Any, path: Path) -> str:
    return path_text(desired, path) or _TOP


def _holder_of(found: str, desired: Any, path: Path) -> Path:
    """The search goes on inside of what an unknown key has; it may also end in the mapping that holds it."""
    holder = path[: path.index(found)] if found in path else path
    if found not in path and not _has_key(desired, holder, found):
        holder = _holder(desired, found) or holder[:-1]
    return holder


def _unknown_key(found: str, desired: Any, holder: Path, known: list[str]) -> str:
    level = value_at(desired, holder)
    siblings = set(level) if isinstance(level, Mapping) else set()
    where = path_text(desired, holder)
    hint = _belongs(found, level, holder) or did_you_mean(found, [key for key in known if key not in siblings])
    return f'unknown key "{found}"{f" in {where}" if where else ""}{hint}'


def _belongs(found: str, level: Any, holder: Path) -> str:
    """Where a key that nmstate knows should stand instead."""
    if holder[-1:] == ("dns-resolver",):
        return " (it belongs into config)" if found in ("server", "search", "options") else ""
    if len(holder) != 2 or holder[0] != "interfaces":
        return ""
    if found in _OF_A_FAMILY:
        return " (it belongs into ipv4 or ipv6)"
    kind = level.get("type") if isinstance(level, Mapping) else None
    return f" (type {kind} has none, type {SECTIONS[found]} has)" if found in SECTIONS and kind else ""


def _up_to_list(desired: Any, path: Path) -> Path:
    """Where one value is wanted, the search for the part to blame goes on into a list of values."""
    while path and not isinstance(value_at(desired, path), list):
        path = path[:-1]
    return path


def _has_key(desired: Any, path: Path, key: str) -> bool:
    level = value_at(desired, path)
    return isinstance(level, Mapping) and key in level


def _holder(data: Any, key: str, path: Path = ()) -> Path | None:
    """The path of the first mapping that has a key of that name."""
    pairs: Iterable[tuple[str | int, Any]] = (
        data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    )
    for step, inner in pairs:
        if step == key:
            return path
        if (deeper := _holder(inner, key, (*path, step))) is not None:
            return deeper
    return None


def _wrong_type(wanted: str, desired: Any, path: Path) -> str:
    want = next((text for pattern, text in _WANTED if re.fullmatch(pattern, wanted.strip(), re.DOTALL)), wanted)
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    value = value_at(desired, path)
    if want == "a list" and isinstance(value, Mapping) and isinstance(path[-1:][0] if path else "", int):
        # Read as if it were the list of a mapping's parts: the list itself is wrong.
        return f"{_where(desired, path[:-1])} is a list, not a mapping{_example(key)}"
    if want == quoted(value):
        return f"{_where(desired, path)}: a part of it is not {want}"
    hint = " (write it in quotes)" if want == "text" and not isinstance(value, Mapping | list) else ""
    if value == MASK:
        return f"{_where(desired, path)} is not {want}{hint}"
    if want == "a mapping":
        hint = _example(key, value if key == "port" and isinstance(value, str) else "")
    elif want == "a list" and path[-1:] == (key,) and not isinstance(value, Mapping) and value is not None:
        hint = f" (write [{value}])"
    return f"{_where(desired, path)} is {quoted(value)}, not {want}{hint}"


def _example(key: str, name: str = "") -> str:
    """How to write it; with the name that the policy gives, where it is one."""
    example = _EXAMPLES.get(key, "")
    return f" (write {example.replace('eth1', name or 'eth1')})" if example else ""
