"""ping: the default gateway answers an echo, for each address family by itself.

The gateway is asked for anew with each try: an apply may have moved the address to a bridge. A family that the
desired state takes away from the interface with the default route is not missed, as long as IPv4 is there: many
policies name only `ipv4` for a new bridge, and mean it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from nmstate_k8s.domain.host.probes.icmp import echo
from nmstate_k8s.domain.host.probes.result import ProbeFailed, ProbeSkipped
from nmstate_k8s.domain.host.probes.routes import Gateway, default_gateways

__all__ = ["PingProbe"]

Gateways = Callable[[socket.AddressFamily], list[Gateway]]


class PingProbe:
    """The default gateway of one address family."""

    always = False
    try_seconds = 2.0

    def __init__(self, family: socket.AddressFamily, *, gateways: Gateways = default_gateways) -> None:
        self.name = "ping" if family == socket.AF_INET else "ping-ipv6"
        self._family = family
        self._gateways = gateways
        self._interfaces_before: frozenset[str] = frozenset()

    async def attempt(self, desired: bytes) -> None:
        if not desired:
            self._interfaces_before = frozenset(name for _, name in socket.if_nameindex())
        gateway = next(iter(self._known(self._family)), None)
        if gateway is None:
            self._missed(desired)
            raise ProbeFailed(f"there is no default gateway for {_name(self._family)} in the main table")
        try:
            async with asyncio.timeout(self.try_seconds - 0.2):
                await echo(gateway.address, gateway.interface)
        except TimeoutError as error:
            raise ProbeFailed(
                f"the default gateway {gateway.address} on {gateway.interface} does not answer"
            ) from error

    def _known(self, family: socket.AddressFamily) -> list[Gateway]:
        try:
            return self._gateways(family)
        except OSError as error:
            raise ProbeFailed(f"the routes cannot be read: {error}") from error

    def _missed(self, desired: bytes) -> None:
        """No gateway: fine, where the desired state takes IPv6 away from where IPv4's gateway is now."""
        if self._family != socket.AF_INET6 or not desired:
            return
        ipv4 = next(iter(self._known(socket.AF_INET)), None)
        if ipv4 and _withdraws_ipv6(msgspec.json.decode(desired), ipv4.interface, self._interfaces_before):
            raise ProbeSkipped(f"the desired state has no IPv6 on {ipv4.interface}")


def _withdraws_ipv6(desired: Mapping[str, Any], interface: str, before: frozenset[str]) -> bool:
    """Disabled by word, or a new interface of which the state names no IPv6."""
    for entry in desired.get("interfaces") or ():
        if entry.get("name") == interface:
            ipv6 = entry.get("ipv6")
            if ipv6 is None:
                return interface not in before
            return isinstance(ipv6, Mapping) and ipv6.get("enabled") is False
    return False


def _name(family: socket.AddressFamily) -> str:
    return "IPv4" if family == socket.AF_INET else "IPv6"
