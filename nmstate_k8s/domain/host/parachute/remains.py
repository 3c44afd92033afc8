"""What a change gave the kernel that no end of a profile takes away: routes through nothing, and rules. Pure.

While NetworkManager lives it takes back what it added. One that died knows nothing of that when it starts again, and
a route without an interface, or a rule, belongs to no link that could be emptied: measured with 1.52.1, a route that
dropped what went to the API server stayed, and the node was cut off for good.

Only what the change asked for is named: networks of pods have such routes and rules, too, and may add some meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from nmstate_k8s.domain.host.parachute.facts import MAIN_TABLE

__all__ = ["Network", "remains", "route_key", "rule_key"]

Network = IPv4Network | IPv6Network
Entry = Mapping[str, Any]

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


def route_key(route: Entry) -> tuple[Network | None, str, int, int]:
    """What makes a route through nothing that one: where to, of which type, table and metric."""
    table, metric = route.get("table-id") or MAIN_TABLE, route.get("metric") or 0
    return _network(route, "destination"), route["route-type"], table, max(metric, 0)


def rule_key(rule: Entry) -> tuple[int, int, Network | None, Network | None, int, str | int]:
    """What makes a rule that one: version of IP, priority, from, to, mark, what it does or which table it leads to."""
    does = rule.get("action") or rule.get("route-table") or MAIN_TABLE
    source, to = _network(rule, "ip-from"), _network(rule, "ip-to")
    version = 6 if rule.get("family") == "ipv6" or 6 in {each.version for each in (source, to) if each} else 4
    return version, rule.get("priority") or 0, source, to, _mark(rule), does


def _asked(rule: Entry) -> dict[str, Any]:
    """What is said of a rule, each thing in one way of saying it."""
    said = {key: rule[key] for key in _ASKED_OF_RULES if rule.get(key) not in (None, "")}
    said |= {key: _network(rule, key) for key in ("ip-from", "ip-to") if key in said}
    return said | ({"fwmark": _mark(rule)} if "fwmark" in said else {})


def _routes(state: Mapping[str, Any], which: str) -> list[Entry]:
    """Those through nothing."""
    found = (state.get("routes") or {}).get(which) or ()
    return [each for each in found if each.get("route-type") and each.get("state") != "absent"]


def _rules(state: Mapping[str, Any]) -> list[Entry]:
    return [each for each in (state.get("route-rules") or {}).get("config") or () if each.get("state") != "absent"]


def _network(entry: Entry, key: str) -> Network | None:
    """None where there is none, or one that is no network: libnmstate would not have made it."""
    try:
        return ip_network(entry[key], strict=False) if entry.get(key) else None
    except ValueError:
        return None


def _mark(rule: Entry) -> int:
    try:
        return int(str(rule.get("fwmark") or 0), 0)
    except ValueError:
        return 0
