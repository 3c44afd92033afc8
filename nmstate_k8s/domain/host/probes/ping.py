"""ping: the default gateway answers an echo, for each address family by itself.

The gateway is asked for anew with each try: an apply may have moved the address to a bridge. A family that the
desired state takes away from the interface with the default route is not missed, as long as IPv4 is there.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from nmstate_k8s.api.probes import Family, ProbeKind
from nmstate_k8s.domain.host.probes.icmp import echo
from nmstate_k8s.domain.host.probes.intent import withdraws_ipv6
from nmstate_k8s.domain.host.probes.result import Change, ProbeFailed, ProbeSkipped
from nmstate_k8s.domain.host.probes.routes import Gateway, default_gateways

__all__ = ["PingProbe"]

Gateways = Callable[[socket.AddressFamily], list[Gateway]]

_SOCKET = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_SPOKEN = {"ipv4": "IPv4", "ipv6": "IPv6"}


class PingProbe:
    """The default gateway of one address family."""

    kind: ProbeKind = "ping"
    always = False
    try_seconds = 2.0

    def __init__(self, family: Family, *, gateways: Gateways = default_gateways) -> None:
        self.name = f"ping-{family}"
        self._family = family
        self._gateways = gateways

    async def attempt(self, change: Change) -> None:
        gateway = await _first(self._gateways, self._family)
        if gateway is None:
            if self._family == "ipv6" and (interface := await _without_ipv6(change, self._gateways)):
                raise ProbeSkipped(f"the desired state has no IPv6 on {interface}")
            raise ProbeFailed(f"there is no default gateway for {_SPOKEN[self._family]} in the main table")
        try:
            async with asyncio.timeout(self.try_seconds - 0.2):
                await echo(gateway.address, gateway.interface)
        except TimeoutError as error:
            raise ProbeFailed(
                f"the default gateway {gateway.address} on {gateway.interface} does not answer"
            ) from error


async def _without_ipv6(change: Change, gateways: Gateways) -> str:
    """The interface with IPv4's default route, if the desired state takes IPv6 away from it."""
    ipv4 = await _first(gateways, "ipv4")
    return ipv4.interface if ipv4 and withdraws_ipv6(change, ipv4.interface) else ""


async def _first(gateways: Gateways, family: Family) -> Gateway | None:
    try:
        return next(iter(await asyncio.to_thread(gateways, _SOCKET[family])), None)
    except OSError as error:
        raise ProbeFailed(f"the routes cannot be read: {error}") from error
