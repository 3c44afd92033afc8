"""libnmstate's words, as a person on call can use them: which part of the policy, and what exists instead.

Pure. `Explanation.cause` is a part of a sentence; what libnmstate said is kept whole in `details`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import msgspec

from nmstate_k8s.domain.host.blame import Path, path_text, value_at

__all__ = ["Explanation", "explain_mistake", "explain_refusal", "interfaces_there", "known_keys", "misspelt_types"]

MAX_NAMES = 6

INTERFACE_TYPES = (
    "bond", "dummy", "ethernet", "hsr", "infiniband", "ip-tunnel", "ipsec", "ipvlan", "linux-bridge", "loopback",
    "mac-vlan", "mac-vtap", "macsec", "ovs-bridge", "ovs-interface", "tun", "unknown", "veth", "vlan", "vrf", "vxlan",
    "xfrm",
)  # fmt: skip
_CARDS = ("ethernet", "veth", "infiniband")
_BASED = ("vlan", "vxlan", "mac-vlan", "mac-vtap", "ipvlan", "macsec")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, for people, and about which interface, where it is about one."""

    cause: str
    interface: str = ""


def explain_mistake(message: str, desired: Any, path: Path, known: Iterable[str] = ()) -> Explanation:
    """A state that libnmstate cannot read: `path` is the part to blame, `known` the keys that exist on the node."""
    interface = _interface_of(desired, path)
    where = path_text(desired, path)
    if match := re.search(r"unknown field `([^`]*)`(?:, expected (.*))?", message, re.DOTALL):
        found, expected = match.group(1), re.findall(r"`([^`]+)`", match.group(2) or "")
        where = where or _first_key(desired, found)
        return Explanation(f'unknown key "{found}"{_at(where)}{_meant(found, expected or known)}', interface)
    if match := re.search(r"unknown variant `([^`]*)`, expected (.*)", message, re.DOTALL):
        found, expected = match.group(1), re.findall(r"`([^`]+)`", match.group(2))
        return Explanation(
            f'"{found}" is no value{_at(where, "for")}{_meant(found, expected) or _one_of(expected)}', interface
        )
    if not where:
        return Explanation(message, interface)
    value = value_at(desired, path)
    shown = "" if isinstance(value, Mapping | list) else f" has {_short(value)}"
    return Explanation(f"{where}{shown}: {message}", interface)


def explain_refusal(message: str, desired: Any, existing: Iterable[str]) -> Explanation:
    """A state that libnmstate can read but not bring about: a missing interface is the usual reason."""
    there = sorted(set(existing))
    if match := re.search(r"Ethernet interface (?P<name>\S+) does not exist", message):
        return _missing_cards(match.group("name"), desired, there)
    for pattern, text in _MISSING:
        if match := re.search(pattern, message):
            name = match.group("name")
            return Explanation(text(name) + _there(name, there), name)
    if missing := _missing_base(desired, there):
        name, base = missing
        return Explanation(f"{base}, the base interface of {name}, does not exist{_there(base, there)}", name)
    return Explanation(_first_sentence(message), _named(message, desired))


def interfaces_there(state: bytes) -> list[str]:
    """The names that a policy can mean to use: network cards, or whatever there is but the loopback."""
    found = _interfaces(msgspec.json.decode(state)) if state else []
    names = [(str(entry.get("name")), entry.get("type")) for entry in found if entry.get("state") != "ignore"]
    return [name for name, kind in names if kind in _CARDS] or [name for name, _ in names if name != "lo"]


def known_keys(state: bytes) -> frozenset[str]:
    """Every key that this node's own state uses: what a misspelt one was probably meant to be."""
    return frozenset(_all_keys(msgspec.json.decode(state))) if state else frozenset()


def misspelt_types(desired: Any) -> Explanation | None:
    """An interface type that is nearly one of libnmstate's: it would leave such an interface out without a word."""
    for interface in _interfaces(desired):
        kind = interface.get("type")
        if isinstance(kind, str) and kind not in INTERFACE_TYPES and _meant(kind, INTERFACE_TYPES):
            name = str(interface.get("name", ""))
            where = f"interfaces[{name}].type"
            return Explanation(f'"{kind}" is no value for {where}{_meant(kind, INTERFACE_TYPES)}', name)
    return None


_MISSING: tuple[tuple[str, Callable[[str], str]], ...] = (
    (r"Failed to find unknown type interface (?P<name>\S+) ", lambda name: f"interface {name} does not exist"),
    (r"holding unknown port (?P<name>\S+)", lambda name: f"port {name} does not exist"),
)


def _missing_cards(name: str, desired: Any, there: list[str]) -> Explanation:
    """All that are missing, in the policy's order: libnmstate names any one of them."""
    missing = [
        str(entry.get("name"))
        for entry in _interfaces(desired)
        if entry.get("type") == "ethernet" and entry.get("state", "up") == "up" and entry.get("name") not in there
    ]
    if len(missing) < 2 or name not in missing:
        return Explanation(f"interface {name} does not exist{_there(name, there)}", name)
    shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return Explanation(f"interfaces {shown} do not exist{_there(missing[0], there)}", missing[0])


def _missing_base(desired: Any, there: Iterable[str]) -> tuple[str, str] | None:
    """An interface that is to be up on a base which neither exists nor is to be made."""
    made = {*there, *(entry.get("name") for entry in _interfaces(desired))}
    for entry in _interfaces(desired):
        for kind in _BASED:
            config = entry.get(kind)
            base = config.get("base-iface") if isinstance(config, Mapping) else None
            if isinstance(base, str) and base and base not in made and entry.get("state") != "absent":
                return str(entry.get("name", "")), base
    return None


def _there(name: str, there: list[str]) -> str:
    if not there:
        return " (there is none)"
    close = get_close_matches(name, there, n=MAX_NAMES, cutoff=0.4)
    names = sorted(close) if len(there) > MAX_NAMES and close else there
    shown = ", ".join(names[:MAX_NAMES]) + (f" and {len(there) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")
    return f" (there {'is' if len(there) == 1 else 'are'} {shown})"


def _at(where: str, word: str = "at") -> str:
    return f" {word} {where}" if where else ""


def _meant(found: str, expected: Iterable[str]) -> str:
    close = get_close_matches(found, list(dict.fromkeys(expected)), n=1, cutoff=0.5)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _one_of(expected: list[str]) -> str:
    return f" (one of {', '.join(expected[:8])})" if expected else ""


def _short(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _first_sentence(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else "no reason was given"
    return first.rstrip(".")


def _first_key(data: Any, key: str, so_far: str = "") -> str:
    """The path of the first key of that name."""
    pairs: Iterable[tuple[str | int, Any]] = (
        data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    )
    for step, inner in pairs:
        here = so_far + path_text(data, (step,)) if isinstance(step, int) else f"{so_far}.{step}".lstrip(".")
        if step == key:
            return here
        if deeper := _first_key(inner, key, here):
            return deeper
    return ""


def _all_keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from value
        for inner in value.values():
            yield from _all_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _all_keys(inner)


def _interfaces(desired: Any) -> list[Mapping[str, Any]]:
    listed = desired.get("interfaces") if isinstance(desired, Mapping) else None
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _interface_of(desired: Any, path: Path) -> str:
    if len(path) >= 2 and path[0] == "interfaces":
        entry = value_at(desired, path[:2])
        return str(entry.get("name", "")) if isinstance(entry, Mapping) else ""
    return ""


def _named(message: str, desired: Any) -> str:
    """The first interface of the desired state that the message names as a word of its own."""
    words = set(re.findall(r"[\w.@:-]+", message)) | set(re.findall(r"\w+", message))
    names = (str(entry.get("name", "")) for entry in _interfaces(desired))
    return next((name for name in names if name and name in words), "")
