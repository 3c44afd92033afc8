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
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.desired.explain import NOT_FOUND, interfaces_there
from nmstate_k8s.domain.desired.paths import path_text
from nmstate_k8s.domain.desired.secrets import MASK, is_secret
from nmstate_k8s.domain.desired.suggest import there

__all__ = ["Before", "refuse_early", "without_kept_secrets"]

MAX_NAME = 15
MAX_VLAN = 4094
_MADE_IN_KERNEL = frozenset(
    {"bond", "dummy", "linux-bridge", "mac-vlan", "ovs-interface", "veth", "vlan", "vrf", "vxlan"}
)
_BASED = ("vlan", "vxlan", "mac-vlan", "mac-vtap", "ipvlan", "macsec")
"""Types with a section of their name, without which there is nothing to make; its `base-iface` is the base."""
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}(([:-][0-9A-Fa-f]{2}){14})?")


class Before:
    """The node's state, decoded when it is first looked into: most policies need no look."""

    def __init__(self, state: bytes) -> None:
        self.state = state

    @cached_property
    def interfaces(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, other names included."""
        found: dict[str, Mapping[str, Any]] = {}
        for entry in _interfaces(msgspec.json.decode(self.state) if self.state else {}):
            for other in entry.get("alt-names") or ():
                found[str(other.get("name") if isinstance(other, Mapping) else other)] = entry
            found[str(entry.get("name"))] = entry
        return found


def refuse_early(desired: Any, before: Before, *, allow_dispatch: bool) -> None:
    """Raise for what must not, or cannot, be applied.

    :raises DesiredStateError: on any node.
    :raises HostError: on this one.
    """
    interfaces = _interfaces(desired)
    made = {_name(entry) for entry in interfaces}
    for position, entry in enumerate(interfaces):
        where, name = path_text({"interfaces": interfaces}, ("interfaces", position)), _name(entry)
        if not allow_dispatch and _brings_scripts(entry, before):
            raise _dispatch_refused(where, name)
        for key in _masks(entry):
            if not _kept(entry, before):
                raise DesiredStateError(
                    "MaskedSecret", f"{where}.{key} is {MASK}, which only stands for a secret in a report", (), name
                )
        if entry.get("state", "up") == "up":
            _refuse_impossible(entry, where, name)
            _refuse_turned_ranges(entry, where, name)
            _refuse_bad_mac(entry, where, name)
            _refuse_missing_base(entry, name, before, made)


def _brings_scripts(entry: Mapping[str, Any], before: Before) -> bool:
    scripts = entry.get("dispatch")
    if not scripts:
        return False
    if isinstance(scripts, Mapping) and not any(scripts.values()):
        return False
    return bool(scripts != before.interfaces.get(_name(entry), {}).get("dispatch"))


def _dispatch_refused(where: str, name: str) -> DesiredStateError:
    cause = f"{where}.dispatch: scripts that run as root are not allowed in this cluster"
    advice = "To allow them, set allowDispatch: true in the spec of the NMState"
    return DesiredStateError("DispatchNotAllowed", cause, (), name, advice)


def _masks(value: Any, so_far: str = "") -> Iterator[str]:
    """The paths of masks in the place of secrets."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            where = f"{so_far}.{key}".lstrip(".")
            if inner == MASK and is_secret(key):
                yield where
            yield from _masks(inner, where)


def _kept(entry: Mapping[str, Any], before: Before) -> bool:
    """Whether the node reports these very sections: a capture brought them along, and nothing of them changes."""
    old = before.interfaces.get(_name(entry), {})
    return all(old.get(key) == value for key, value in entry.items() if any(_masks({key: value})))


def without_kept_secrets(desired: Any, before: Before) -> Any:
    """The state without sections that only repeat the node's own with the secrets masked: as they are, they stay."""
    if not any(any(_masks(entry)) for entry in _interfaces(desired)):
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


def _refuse_impossible(entry: Mapping[str, Any], where: str, name: str) -> None:
    kind = entry.get("type")
    if kind in _MADE_IN_KERNEL and len(name.encode()) > MAX_NAME:
        cause = f"{where}: the name has {len(name.encode())} characters, Linux takes {MAX_NAME} at most"
        raise DesiredStateError("InvalidArgument", cause, (), name)
    vlan = entry.get("vlan")
    number = str(vlan.get("id", "")) if kind == "vlan" and isinstance(vlan, Mapping) else ""
    if number.isdigit() and int(number) > MAX_VLAN:
        raise DesiredStateError("InvalidArgument", f"{where}.vlan.id is {number}, more than {MAX_VLAN}", (), name)


def _refuse_turned_ranges(entry: Mapping[str, Any], where: str, name: str) -> None:
    """A range of VLAN tags from more to less is none at all: libnmstate makes the bridge without its ports."""
    bridge = entry.get("bridge")
    ports = bridge.get("port") if isinstance(bridge, Mapping) else None
    for port in ports if isinstance(ports, list) else ():
        vlan = port.get("vlan") if isinstance(port, Mapping) else None
        for tags in (vlan.get("trunk-tags") if isinstance(vlan, Mapping) else None) or ():
            span = tags.get("id-range") if isinstance(tags, Mapping) else None
            first, last = (str(span.get(end, "")) for end in ("min", "max")) if isinstance(span, Mapping) else ("", "")
            if first.isdigit() and last.isdigit() and int(first) > int(last):
                cause = f"{where}.bridge.port[{_name(port)}].vlan has an id-range from {first} to {last}"
                raise DesiredStateError("InvalidArgument", cause, (), name)


def _refuse_bad_mac(entry: Mapping[str, Any], where: str, name: str) -> None:
    mac = entry.get("mac-address")
    if not isinstance(mac, str):
        return
    if not _MAC.fullmatch(mac):
        raise DesiredStateError("InvalidArgument", f'{where}.mac-address is "{mac}", not a MAC address', (), name)
    if int(mac[:2], 16) & 1 and entry.get("type") != "infiniband":
        cause = f"{where}.mac-address is {mac}, a group's (the first byte is odd): no interface can have it"
        raise DesiredStateError("InvalidArgument", cause, (), name)


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


def _interfaces(state: Any) -> list[Any]:
    listed = state.get("interfaces") if isinstance(state, Mapping) else None
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name", ""))
