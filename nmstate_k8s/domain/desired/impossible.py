"""What libnmstate can read, and refuses on every node alike. For whoever knows no node.

libnmstate is asked about a node that has all that the state takes for granted. Not all that it refuses there is
impossible everywhere: a bond without `mode` may be there with one. So only those refusals count that speak of nothing
but the desired state. They were picked from libnmstate's source: from what it checks of an interface, route, rule or
server by itself (`sanitize`), and from what two parts of the state say against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from re import Match
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.blame import find_refused
from nmstate_k8s.domain.desired.errors import DesiredStateError, HostError
from nmstate_k8s.domain.desired.explain import MAX_EXPLAINED, explain_refusal, names_its_place
from nmstate_k8s.domain.desired.explain_mistakes import explain_place
from nmstate_k8s.domain.desired.libnmstate import Libnmstate
from nmstate_k8s.domain.desired.madeup import made_up_node
from nmstate_k8s.domain.desired.members import interfaces_of
from nmstate_k8s.domain.desired.paths import DESIRED, Path, interface_at
from nmstate_k8s.domain.desired.secrets import masked

__all__ = ["EVERYWHERE", "MAX_INTERFACES", "impossible_everywhere", "refuse_impossible"]

MAX_INTERFACES = 500
"""Of a state with more, ports and bases counted, only the node judges: libnmstate's work grows faster than it."""
MAX_BYTES = 64 * 1024
"""Likewise: thousands of rules are compared with one another."""


async def refuse_impossible(libnmstate: Libnmstate, state: Any) -> None:
    """
    :raises DesiredStateError: for what no node can do, with the place where it is known.
    """
    if (refused := await _refused(libnmstate, state)) is None:
        return
    error, node = refused
    cause, path = await _explained(libnmstate, state, node, error)
    whole = (*error.log, error.message)
    raise DesiredStateError(error.kind, cause, whole, interface_at(state, path), path=(DESIRED, *path)) from error


async def impossible_everywhere(libnmstate: Libnmstate, state: Any) -> bool:
    """Whether no node could do it: then nothing that changes on one helps, only another state."""
    return await _refused(libnmstate, state) is not None


async def _refused(libnmstate: Libnmstate, state: Any) -> tuple[HostError, bytes] | None:
    """What libnmstate says of it on the made-up node, where that holds on every node; and that node's state."""
    desired = msgspec.json.encode(state)
    if len(desired) > MAX_BYTES:
        return None
    made_up = made_up_node(state)
    if len(interfaces_of(state)) + len(interfaces_of(made_up)) > MAX_INTERFACES:
        return None
    node = msgspec.json.encode(made_up)
    try:
        await libnmstate.validate(desired, node)
    except HostError as error:
        return (error, node) if _on_every_node(error.message, state) else None
    return None


async def _explained(libnmstate: Libnmstate, state: Any, node: bytes, error: HostError) -> tuple[str, Path]:
    shown = masked(state)
    if not names_its_place(error.message):
        path = await find_refused(libnmstate, state, node, error.message)
        return explain_place(error.message, shown, path).cause, path
    told = explain_refusal(error.message, shown, ())
    names = [entry.get("name") for entry in interfaces_of(state)]
    if told.interface in names:
        return told.cause, ("interfaces", names.index(told.interface))
    return told.cause, await find_refused(libnmstate, state, node, error.message)


# --- What speaks of nothing but the desired state -----------------------------------------------------------------

_Also = Callable[[Match[str], Any], bool]
"""Whether the state itself says what the message takes from state and node together."""


def _entry(match: Match[str], state: Any) -> Mapping[str, Any]:
    return next((entry for entry in interfaces_of(state) if entry.get("name") == match["name"]), {})


def _says(family: str, state: Mapping[str, Any], *values: Any) -> bool:
    config = state.get(family)
    return isinstance(config, Mapping) and config.get("enabled") in values


_ON, _OFF = (True, "true", "True", 1, "1"), (False, "false", "False", 0, "0")


def _has_addresses(match: Match[str], state: Any) -> bool:
    return any(_says(family, _entry(match, state), *_ON) for family in ("ipv4", "ipv6"))


def _needs_ipv6(match: Match[str], state: Any) -> bool:
    return _says("ipv6", _entry(match, state), *_ON)


def _family_is_off(match: Match[str], state: Any) -> bool:
    return _says(match["family"].lower(), _entry(match, state), *_OFF)


def _lists_ports(match: Match[str], state: Any) -> bool:
    bridge = _entry(match, state).get("bridge")
    return isinstance(bridge, Mapping) and isinstance(bridge.get("port"), list)


def _always(_match: Match[str], _state: Any) -> bool:
    return True


_ROUTE_VIA = r"Route '.*?next-hop-interface: (?P<name>[^\s']+).*' has been marked as "

EVERYWHERE: tuple[tuple[str, _Also], ...] = (
    # Addresses
    (r"Got IPv[46] address \S+ in ipv[46] config section", _always),
    (r"Invalid IPv[46] network prefix length", _always),
    (r"Invalid IP network ", _always),
    (r"invalid (IP|IPv4|IPv6) address syntax", _always),
    (r"(Invalid|Different) value (for|of) ipv[46]\.(auto|prefix)-route-metric", _always),
    (r"Desired IPv6 token (should be lead by|'[^']*' is not a valid)", _always),
    (r"MTU should be >= \d+ when IPv6 is enabled on interface (?P<name>\S+), ", _needs_ipv6),
    (r"Desired MTU \d+ for interface \S+ is bigger than maximum supported", _always),
    (r"Interface (?P<name>\S+) cannot have IP enabled as it is attached to controller", _has_addresses),
    # Bonds and bridges
    (r"Port \S+ is overbooked by two controller", _always),
    (r"Interface \S+ has controller (?P<name>\S+) but not listed in port list", _lists_ports),
    (r"The port names specified in `port` conflict with", _always),
    (r"The `lacp_(rate|active)` option is only valid for bond in '802\.3ad' mode", _always),
    (r"The ad_actor_system bond option cannot be", _always),
    (r"Bridge VLAN trunk tag \S+ is overlapping with other tag", _always),
    (r"Bridge VLAN filtering (`enable-native: true` cannot be set in|access mode cannot have trunk-tags)", _always),
    (r"Linux bridge \S+ has different group_forward_mask", _always),
    (r"Desired STP (hello time|max age|forward delay) ", _always),
    # Other kinds
    (r"Interface \S+ cannot be in up state as its parent \S+ has been marked as absent", _always),
    (r"The maximum VLAN priority is 7", _always),
    (r"Desired alt-name (?P<name>\S+) for interface (?P=name) is already", _always),
    (r"Invalid SR-IOV VF (ID|name)", _always),
    (r"OVS Bridge \S+ can not hold MAC address", _always),
    (r"OVS DPDK \S+ must power of 2", _always),
    (r"The mka_c(ak|kn) must be a string", _always),
    (r"Loopback interface cannot have (IPv4 disabled|IPv4 DHCP|IPv6 autoconf)", _always),
    (r"Flow label must be less than", _always),
    (r"MPTCP flags mustn't have both", _always),
    # Routes and rules
    (r"Route with empty next hop interface is not supported", _always),
    (r"A \S+ Route cannot have a next hop", _always),
    (rf"{_ROUTE_VIA}(?P<family>IPv[46]) disabled", _family_is_off),
    (rf"{_ROUTE_VIA}absent", _always),
    (r"Invalid ECMP route weight|IPv6 ECMP route with weight", _always),
    (r"The value of '(cwnd|mtu|advmss)' cannot be 0", _always),
    (r"The prefix of the route destination network|0\.0\.0\.0/8 and its subnet cannot", _always),
    (r"Neither ip-from, ip-to nor family|The ip-(from|to) format mismatches|fwmask is present but fwmark", _always),
    # DNS, OVN
    (r"Invalid DNS server |Invalid IPv6 address in \S+, only IPv6 link local", _always),
    (r"Unsupported DNS option |Option '[^']*' is not supported to hold a value", _always),
    (r"Found duplicate `localnet` key|mapping for `localnet` key .* missing the `bridge`", _always),
    (r"The `[^`]*` is reserved for OVN mapping", _always),
)

"""What libnmstate says, and what the state itself must say, too."""


def _on_every_node(message: str, state: Any) -> bool:
    return any(
        (match := re.search(pattern, message[:MAX_EXPLAINED], re.DOTALL)) is not None and also(match, state)
        for pattern, also in EVERYWHERE
    )
