"""What a change gave the kernel that no end of a profile takes away: routes through nothing, and rules. Pure.

While NetworkManager lives it takes back what it added. One that died knows nothing of that when it starts again, and
a route without an interface, or a rule, belongs to no link that could be emptied: measured with 1.52.1, a route that
dropped what went to the API server stayed, and the node was cut off for good.

Only what the change asked for is named: networks of pods have such routes and rules, too, and may add some meanwhile.

- `remains` says it afterwards, from the state that is there then; the handler takes it out of the kernel.
- `foreseen` says it beforehand, for `restore.sh`: no handler need live to open the way to the API server again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

import msgspec

from nmstate_k8s.domain.host.parachute.facts import MAIN_TABLE, could_be_link

__all__ = ["Network", "foreseen", "remains", "route_key", "rule_key"]

Network = IPv4Network | IPv6Network
Entry = Mapping[str, Any]

_NUMBERS: Final = ("priority", "route-table", "fwmark")
_PRIORITY_OF_KERNEL: Final = 32766
"""From here on the rules are the kernel's own (ip-rule(8))."""
_KINDS: Final = ("blackhole", "unreachable", "prohibit")
_ASKED_OF_RULES: Final = ("priority", "ip-from", "ip-to", "route-table", "fwmark", "iif", "action")


def remains(before: Mapping[str, Any], after: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, list[Entry]]:
    """The entries `routes` and `route-rules` of the state after a way back that are to leave the kernel."""
    asked_routes = {route_key(each)[:2] for each in _routes(desired, "config")}
    had_routes = {route_key(each) for each in _routes(before, "running")}
    routes = [
        each
        for each in _routes(after, "running")
        if route_key(each)[:2] in asked_routes and route_key(each) not in had_routes
    ]
    asked_rules = [said for each in _rules(desired) if (said := _asked(each))]
    had_rules = {rule_key(each) for each in _rules(before)}
    rules = [
        each
        for each in _rules(after)
        if rule_key(each) not in had_rules and any(asked.items() <= _asked(each).items() for asked in asked_rules)
    ]
    return {key: found for key, found in (("routes", routes), ("route-rules", rules)) if found}


def foreseen(before: bytes, desired: Any) -> list[str]:
    """Arguments of iproute2 that take away what a change to `desired` may leave behind: `-6 route delete …`.

    What is not said goes for any to the kernel. So nothing is foreseen for what is not told apart from something that
    was there before; nor for a rule without priority, or with one of the kernel's own. Those are left to `remains`.
    """
    if not isinstance(desired, Mapping) or desired.keys().isdisjoint({"routes", "route-rules"}):
        return []
    had = msgspec.json.decode(before)
    places = {_place(each) for each in _routes(had, "running", of_any_type=True)}
    routes = [_route_gone(each) for each in _routes(desired, "config") if _place(each) not in places]
    rules = [_rule_gone(each) for each in _rules(desired) if _is_plain(each, _rules(had))]
    return [line for line in (*routes, *rules) if line]


def _is_plain(rule: Entry, had: Iterable[Entry]) -> bool:
    asked = _asked(rule)
    own = 0 < _number(rule, "priority") < _PRIORITY_OF_KERNEL
    return own and not any(asked.items() <= _asked(each).items() for each in had)


def _place(route: Entry) -> tuple[Network | None, int]:
    return _network(route, "destination"), _number(route, "table-id") or MAIN_TABLE


def _route_gone(route: Entry) -> str:
    to, kind, table, metric = route_key(route)
    if to is None or kind not in _KINDS:
        return ""
    # Of IPv6 the kernel does not compare the type; such a route is one of the loopback device there.
    device = " dev lo" if to.version == 6 else ""
    return f"-{to.version} route delete {kind} {to}{device} table {table}" + (f" metric {metric}" if metric else "")


def _rule_gone(rule: Entry) -> str:
    version, priority, source, to, link, _, does = rule_key(rule)
    if (isinstance(does, str) and does not in _KINDS) or (link and not could_be_link(link)):
        return ""  # nothing that libnmstate would have made
    words = [f"-{version} rule delete priority {priority}"]
    words += [f"{word} {value}" for word, value in (("from", source), ("to", to), ("iif", link)) if value]
    return " ".join([*words, f"table {does}" if isinstance(does, int) else does])


def route_key(route: Entry) -> tuple[Network | None, str, int, int]:
    """What makes a route through nothing that one: where to, of which type, table and metric."""
    table, metric = _number(route, "table-id") or MAIN_TABLE, _number(route, "metric")
    return _network(route, "destination"), str(route["route-type"]), table, max(metric, 0)


def rule_key(rule: Entry) -> tuple[int, int, Network | None, Network | None, str, int, str | int]:
    """What makes a rule that one: version of IP, priority, from, to, coming in by, mark, what it does or its table."""
    does = str(rule.get("action") or "") or _number(rule, "route-table") or MAIN_TABLE
    source, to = _network(rule, "ip-from"), _network(rule, "ip-to")
    version = 6 if rule.get("family") == "ipv6" or 6 in {each.version for each in (source, to) if each} else 4
    link = str(rule.get("iif") or "")
    return version, _number(rule, "priority"), source, to, link, _number(rule, "fwmark"), does


def _asked(rule: Entry) -> dict[str, Any]:
    """What is said of a rule, each thing in one way of saying it."""
    said = {key: rule[key] for key in _ASKED_OF_RULES if rule.get(key) not in (None, "")}
    said |= {key: _network(rule, key) for key in ("ip-from", "ip-to") if key in said}
    said |= {key: _number(rule, key) for key in _NUMBERS if key in said}
    if "action" in said:
        said.pop("route-table", None)  # such a rule leads to no table
    elif said.get("route-table") == 0:
        said["route-table"] = MAIN_TABLE
    return said


def _routes(state: Mapping[str, Any], which: str, *, of_any_type: bool = False) -> list[Entry]:
    """Those through nothing, or all."""
    found = (state.get("routes") or {}).get(which) or ()
    return [each for each in found if (of_any_type or each.get("route-type")) and each.get("state") != "absent"]


def _rules(state: Mapping[str, Any]) -> list[Entry]:
    return [each for each in (state.get("route-rules") or {}).get("config") or () if each.get("state") != "absent"]


def _network(entry: Entry, key: str) -> Network | None:
    """None where there is none, or one that is no network: libnmstate would not have made it."""
    try:
        return ip_network(entry[key], strict=False) if entry.get(key) else None
    except ValueError:
        return None


def _number(entry: Entry, key: str) -> int:
    """libnmstate takes numbers as text, too. 0 where there is none, or something that it would not have taken."""
    try:
        return int(str(entry.get(key) or 0), 0)
    except ValueError:
        return 0
