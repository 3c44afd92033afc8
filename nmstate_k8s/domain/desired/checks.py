"""What is refused before libnmstate is asked, because it would not say no, or not before it has changed the node.

- `dispatch`: a script that NetworkManager runs as root. Only where the NMState allows it; what the node has
  already (a capture brings it along) and taking one away are no new scripts.
- A masked password: it stands for a secret in a report. Applied, it would be the new password.
- A base interface that neither exists nor is made: libnmstate would try, and fail after half a minute.
- Names, VLAN ids and MAC addresses that no kernel takes.

Pure. A mistake of the policy is a `DesiredStateError`; what this node lacks, and may get, is a `HostError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.desired.explain import NOT_FOUND, interfaces_there
from nmstate_k8s.domain.desired.members import interfaces_of
from nmstate_k8s.domain.desired.paths import DESIRED, Path, path_text
from nmstate_k8s.domain.desired.secrets import MASK, is_secret
from nmstate_k8s.domain.desired.suggest import there

__all__ = ["Before", "Has", "refuse_early", "refuse_mistakes", "without_kept_secrets"]

MAX_NAME = 15
MAX_VLAN = 4094
_MADE_IN_KERNEL = frozenset(
    {"bond", "dummy", "linux-bridge", "mac-vlan", "ovs-interface", "veth", "vlan", "vrf", "vxlan"}
)
_BASED = ("vlan", "vxlan", "mac-vlan", "mac-vtap", "ipvlan", "macsec")
"""Types with a section of their name, without which there is nothing to make; its `base-iface` is the base."""
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}(([:-][0-9A-Fa-f]{2}){14})?")
_NUMBER = re.compile(r"[0-9]{1,9}")


class Has(Protocol):
    """A node, as far as it is asked what it has already."""

    @property
    def interfaces(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, other names included."""


class Before:
    """The node's state, decoded when it is first looked into: most policies need no look."""

    def __init__(self, state: bytes) -> None:
        self.state = state

    @cached_property
    def interfaces(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, other names included."""
        found: dict[str, Mapping[str, Any]] = {}
        for entry in interfaces_of(msgspec.json.decode(self.state) if self.state else {}):
            others = entry.get("alt-names")
            for other in others if isinstance(others, list) else ():
                found[str(other.get("name") if isinstance(other, Mapping) else other)] = entry
            found[str(entry.get("name"))] = entry
        return found


def refuse_early(desired: Any, before: Before, *, allow_dispatch: bool) -> None:
    """Raise for what must not, or cannot, be applied.

    :raises DesiredStateError: on any node.
    :raises HostError: on this one.
    """
    refuse_mistakes(desired, (before,), allow_dispatch=allow_dispatch)
    interfaces = interfaces_of(desired)
    made = {_name(entry) for entry in interfaces}
    for entry in interfaces:
        if entry.get("state", "up") == "up":
            _refuse_missing_base(entry, _name(entry), before, made)


def refuse_mistakes(desired: Any, known: Sequence[Has], *, allow_dispatch: bool) -> None:
    """Raise for what is wrong with the state itself; what one of the nodes that are known has already, is not.

    :raises DesiredStateError: with the path of the mistake.
    """
    interfaces = interfaces_of(desired)
    for position, entry in enumerate(interfaces):
        place = _Place(entry, ("interfaces", position), path_text({"interfaces": interfaces}, ("interfaces", position)))
        if not allow_dispatch and _brings_scripts(entry, known):
            raise _dispatch_refused(place)
        for key in _masks(entry):
            if not any(_kept(entry, before) for before in known):
                raise place.mistake(
                    f" is {MASK}, which only stands for a secret in a report", *key, kind="MaskedSecret"
                )
        if entry.get("state", "up") == "up":
            _refuse_impossible(place)
            _refuse_turned_ranges(place)
            _refuse_bad_mac(place)


@dataclass(frozen=True, slots=True)
class _Place:
    """An interface of the policy, and where it stands there."""

    entry: Mapping[str, Any]
    path: Path
    where: str

    @property
    def name(self) -> str:
        return _name(self.entry)

    def mistake(
        self, what: str, *steps: str | int, kind: str = "InvalidArgument", advice: str = ""
    ) -> DesiredStateError:
        """`what` follows the place, down to `steps` in the interface."""
        where = path_text(self.entry, steps)
        cause = f"{self.where}{'.' if where else ''}{where}{what}"
        return DesiredStateError(kind, cause, (), self.name, advice, (DESIRED, *self.path, *steps))


def _brings_scripts(entry: Mapping[str, Any], known: Sequence[Has]) -> bool:
    scripts = entry.get("dispatch")
    if not scripts:
        return False
    if isinstance(scripts, Mapping) and not any(scripts.values()):
        return False
    return all(scripts != before.interfaces.get(_name(entry), {}).get("dispatch") for before in known)


def _dispatch_refused(place: _Place) -> DesiredStateError:
    what = ": scripts that run as root are not allowed in this cluster"
    advice = "To allow them, set allowDispatch: true in the spec of the NMState"
    return place.mistake(what, "dispatch", kind="DispatchNotAllowed", advice=advice)


def _masks(value: Any, so_far: Path = ()) -> Iterator[Path]:
    """The paths of masks in the place of secrets."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if inner == MASK and is_secret(key):
                yield (*so_far, key)
            yield from _masks(inner, (*so_far, key))


def _kept(entry: Mapping[str, Any], before: Has) -> bool:
    """Whether the node reports these very sections: a capture brought them along, and nothing of them changes."""
    old = before.interfaces.get(_name(entry), {})
    return all(old.get(key) == value for key, value in entry.items() if any(_masks({key: value})))


def without_kept_secrets(desired: Any, before: Before) -> Any:
    """The state without sections that only repeat the node's own with the secrets masked: as they are, they stay."""
    if not any(any(_masks(entry)) for entry in interfaces_of(desired)):
        return desired
    return {
        **desired,
        "interfaces": [
            {key: value for key, value in entry.items() if not any(_masks({key: value}))}
            if isinstance(entry, Mapping)
            else entry
            for entry in desired["interfaces"]
        ],
    }


def _refuse_impossible(place: _Place) -> None:
    entry, kind, size = place.entry, str(place.entry.get("type")), len(place.name.encode())
    if kind in _MADE_IN_KERNEL and size > MAX_NAME:
        raise place.mistake(f": the name has {size} characters, Linux takes {MAX_NAME} at most")
    vlan = entry.get("vlan")
    number = str(vlan.get("id", "")) if kind == "vlan" and isinstance(vlan, Mapping) else ""
    if _NUMBER.fullmatch(number) and int(number) > MAX_VLAN:
        raise place.mistake(f" is {number}, more than {MAX_VLAN}", "vlan", "id")


def _refuse_turned_ranges(place: _Place) -> None:
    """A range of VLAN tags from more to less is none at all: libnmstate makes the bridge without its ports."""
    bridge = place.entry.get("bridge")
    ports = bridge.get("port") if isinstance(bridge, Mapping) else None
    for position, port in enumerate(ports if isinstance(ports, list) else ()):
        vlan = port.get("vlan") if isinstance(port, Mapping) else None
        listed = vlan.get("trunk-tags") if isinstance(vlan, Mapping) else None
        for tags in listed if isinstance(listed, list) else ():
            span = tags.get("id-range") if isinstance(tags, Mapping) else None
            first, last = (str(span.get(end, "")) for end in ("min", "max")) if isinstance(span, Mapping) else ("", "")
            if _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last) and int(first) > int(last):
                what = f" has an id-range from {first} to {last}"
                raise place.mistake(what, "bridge", "port", position, "vlan")


def _refuse_bad_mac(place: _Place) -> None:
    mac = place.entry.get("mac-address")
    if not isinstance(mac, str):
        return
    if not _MAC.fullmatch(mac):
        raise place.mistake(f' is "{mac}", not a MAC address', "mac-address")
    if int(mac[:2], 16) & 1 and place.entry.get("type") != "infiniband":
        what = f" is {mac}, a group's (the first byte is odd): no interface can have it"
        raise place.mistake(what, "mac-address")


def _refuse_missing_base(entry: Mapping[str, Any], name: str, before: Before, made: set[str]) -> None:
    """An interface that is to be up on a base which neither exists nor is to be made, or which is not told."""
    type_ = entry.get("type")
    if type_ in _BASED and not entry.get(type_) and name not in before.interfaces:
        raise HostError("InvalidArgument", f"{name} does not exist, and has no section {type_} to be made from")
    for kind in _BASED:
        config = entry.get(kind)
        base = config.get("base-iface") if isinstance(config, Mapping) else None
        if not isinstance(base, str) or not base:
            continue
        if base in made or base in before.interfaces:
            continue
        names = sorted(interfaces_there(before.state))
        cause = f"{base}, the base interface of {name}, does not exist{there(base, names)}"
        raise HostError(NOT_FOUND, cause)


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name", ""))
