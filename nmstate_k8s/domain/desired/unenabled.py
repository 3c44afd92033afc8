"""Addresses of a family that the policy does not say to be enabled. Pure.

Where a policy leaves `enabled` out, libnmstate takes the node's (2.2.62, `merge_ip`): addresses, DHCP and autoconf
count on an interface that has the family enabled, and are skipped without a word on one that has not, and on one that
is only made now. So it is no mistake on every node, and is told, not refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nmstate_k8s.domain.desired.madeup import CARDS
from nmstate_k8s.domain.desired.members import interfaces_of
from nmstate_k8s.domain.desired.paths import Path

__all__ = ["not_enabled", "skipped_on"]

_FAMILIES: Mapping[str, tuple[str, ...]] = {"ipv4": ("address", "dhcp"), "ipv6": ("address", "dhcp", "autoconf")}
_OFF: tuple[Any, ...] = (None, False, "false", "False", 0, "0", [])


def not_enabled(desired: Any) -> Iterator[tuple[Path, Mapping[str, Any], str]]:
    """The path of each such family, its interface, and what depends on it, as words."""
    for position, entry in enumerate(interfaces_of(desired)):
        if entry.get("state", "up") != "up":
            continue
        for family, keys in _FAMILIES.items():
            config = entry.get(family)
            if isinstance(config, Mapping) and config.get("enabled") is None:
                depends = [key for key in keys if config.get(key) not in _OFF]
                if depends:
                    yield ("interfaces", position, family), entry, " and ".join(depends)


def skipped_on(desired: Any, interfaces: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What a node with these interfaces, by name, skips: `address of eth1 (ipv4.enabled is not said)`."""
    for (*_, family), entry, depends in not_enabled(desired):
        there = interfaces.get(str(entry.get("name")))
        if there is None and (entry.get("type") in CARDS or entry.get("identifier", "name") != "name"):
            continue  # which one it is, only libnmstate finds out
        config = there.get(str(family)) if there is not None else None
        if not (isinstance(config, Mapping) and config.get("enabled") is True):
            yield f"{depends} of {entry.get('name')} ({family} is off there, and the policy does not say enabled: true)"
