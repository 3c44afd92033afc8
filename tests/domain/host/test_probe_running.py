"""Probes side by side, bounded, and each of them against something real on this machine."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nmstate_k8s.core.errors import ApiError, Forbidden, Unauthorized, Unavailable
from nmstate_k8s.domain.host.probes import ping
from nmstate_k8s.domain.host.probes.cluster import ApiServerProbe, NodeReadinessProbe
from nmstate_k8s.domain.host.probes.icmp import echo
from nmstate_k8s.domain.host.probes.ping import PingProbe
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change, ProbeFailed, ProbeSkipped
from nmstate_k8s.domain.host.probes.routes import Gateway, default_gateways
from nmstate_k8s.domain.host.probes.runner import SELECT_SECONDS, ProbeRunner
from nmstate_k8s.testing.clock import LoopClock

HAS_IPV6 = Path("/proc/net/if_inet6").exists()
"""Containers may have none."""


class Scripted:
    """A probe that does what it is told, try by try; the last one again and again."""

    def __init__(self, name: str, *tries: Any, always: bool = False, seconds: float = 2.0) -> None:
        self.name, self.kind, self.always, self.try_seconds = name, name, always, seconds
        self.tries = list(tries)
        self.count = 0

    async def attempt(self, change: Any) -> None:
        step = self.tries[min(self.count, len(self.tries) - 1)]
        self.count += 1
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, Exception):
            raise step


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_selection_costs_three_seconds_at_most_together() -> None:
    """Two that never answer cost no more than one; what is always selected is not even tried."""
    probes = [
        Scripted("ping", 999.0),
        Scripted("dns", 999.0),
        Scripted("api-server", 999.0, always=True),
        Scripted("ok", None),
    ]
    begun = asyncio.get_running_loop().time()
    selection = await ProbeRunner(probes, clock=LoopClock()).select()
    assert selection.names == ("api-server", "ok")
    assert [(left.name, left.result) for left in selection.left_out] == [("ping", "Skipped"), ("dns", "Skipped")]
    assert "no answer within 3 s" in selection.left_out[0].message
    assert asyncio.get_running_loop().time() - begun == pytest.approx(SELECT_SECONDS)
    assert probes[2].count == 0


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_each_is_tried_until_it_passes_or_the_time_is_over() -> None:
    """One that recovers passes; one that does not fails after the whole time, which is the same for all."""
    probes = [
        Scripted("late", *([ProbeFailed("no")] * 9), None),
        Scripted("never", ProbeFailed("no route")),
        Scripted("silent", 999.0),
        Scripted("other", None),
    ]
    begun = asyncio.get_running_loop().time()
    late, never, silent = await ProbeRunner(probes, clock=LoopClock()).run(
        ("late", "never", "silent"), total_seconds=120.0
    )
    assert asyncio.get_running_loop().time() - begun <= 120.5
    assert (late.result, never.result, silent.result) == ("Passed", "Failed", "Failed")
    assert late.milliseconds < 10_000
    assert never.message.startswith("no route (")
    assert "no answer within 2 s" in silent.message
    assert probes[3].count == 0, "what was not selected is not tried"


@pytest.mark.asyncio
async def test_the_own_address_answers_an_echo() -> None:
    """ICMP over the loopback: the same code as for a gateway. Needs root, as the README says of `make test`."""
    async with asyncio.timeout(2):
        await echo("127.0.0.1", "lo")
    if HAS_IPV6:
        async with asyncio.timeout(2):
            await echo("::1", "lo")


@pytest.mark.asyncio
async def test_an_interface_that_is_not_there_fails_at_once() -> None:
    """The error names address and interface."""
    with pytest.raises(ProbeFailed, match=r"192\.0\.2\.1 on nosuch0"):
        await echo("192.0.2.1", "nosuch0")


def test_the_kernels_default_gateways_can_be_read() -> None:
    """Whatever this machine has: addresses that are addresses, on interfaces that exist, the best one first."""
    for family in (socket.AF_INET, socket.AF_INET6):
        found = default_gateways(family)
        assert found == sorted(found, key=lambda gateway: gateway.metric)
        for gateway in found:
            socket.inet_pton(family, gateway.address)
            assert socket.if_nametoindex(gateway.interface)


@pytest.fixture
def silent_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(address: str, interface: str) -> None:
        return

    monkeypatch.setattr(ping, "echo", answered)


def gateways(**by_family: Gateway | None) -> Any:
    names = {socket.AF_INET: "v4", socket.AF_INET6: "v6"}
    return lambda family: [gateway] if (gateway := by_family.get(names[family])) else []


def change(*interfaces: Any, **desired: Any) -> Change:
    """A desired state on a node that has eth0."""
    return Change(
        msgspec.json.encode({"interfaces": interfaces, **desired}),
        msgspec.json.encode({"interfaces": [{"name": "eth0", "type": "ethernet"}]}),
    )


V4 = Gateway("192.0.2.1", "br1", 0)


@pytest.mark.asyncio
async def test_no_default_route_fails_and_names_the_family(silent_echo: None) -> None:
    """A default route in another table is no gateway: `default_gateways` does not tell it."""
    with pytest.raises(ProbeFailed, match="no default gateway for IPv4 in the main table"):
        await PingProbe("ipv4", gateways=gateways()).attempt(NO_CHANGE)
    await PingProbe("ipv4", gateways=gateways(v4=V4)).attempt(NO_CHANGE)


@pytest.mark.parametrize(
    ("interface", "skipped"),
    [
        ({"name": "br1", "ipv4": {"enabled": True, "dhcp": True}}, True),
        ({"name": "br1", "ipv6": {"enabled": False}}, True),
        ({"name": "br1", "ipv6": {"enabled": True, "autoconf": True}}, False),
        ({"name": "eth0", "mtu": 1400}, False),
    ],
)
@pytest.mark.asyncio
async def test_ipv6_is_not_missed_where_the_state_takes_it_away(interface: Any, skipped: bool) -> None:
    """A new bridge of which only IPv4 is wanted; but never where the state says nothing of it."""
    probe = PingProbe("ipv6", gateways=gateways(v4=V4, v6=None))
    with pytest.raises(ProbeSkipped if skipped else ProbeFailed):
        await probe.attempt(change(interface))


@pytest.mark.asyncio
async def test_ipv6_is_missed_where_ipv4_is_gone_too() -> None:
    """A node without any gateway is cut off, whatever the state says."""
    with pytest.raises(ProbeFailed):
        await PingProbe("ipv6", gateways=gateways()).attempt(change({"name": "br1", "ipv6": {"enabled": False}}))


class Server:
    """An API server, as a client sees it."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.fresh: list[bool] = []

    async def request(self, method: str, path: str, *, new_connection: bool = False) -> bytes:
        self.fresh.append(new_connection)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.asyncio
async def test_the_api_server_answers_whatever_it_says() -> None:
    """Over a new connection; a refusal is an answer, an overloaded proxy is none."""
    for answer in (b"ok", Forbidden("no", status=403)):
        server: Any = Server(answer)
        await ApiServerProbe(server).attempt(NO_CHANGE)
        assert server.fresh == [True]
    for error in (Unavailable("refused"), Unavailable("bad gateway", status=502)):
        with pytest.raises(ProbeFailed):
            await ApiServerProbe(Server(error)).attempt(NO_CHANGE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting"}], False),
        ([], False),
    ],
)
@pytest.mark.asyncio
async def test_the_node_must_be_ready(conditions: Any, ready: bool) -> None:
    """As the Node's own condition says, read anew."""
    body = msgspec.json.encode({"metadata": {"name": "n"}, "status": {"conditions": conditions}})
    probe: Any = NodeReadinessProbe(Server(body), "n")  # type: ignore[arg-type]
    if ready:
        await probe.attempt(NO_CHANGE)
    else:
        with pytest.raises(ProbeFailed, match="not Ready"):
            await probe.attempt(NO_CHANGE)


@pytest.mark.parametrize("refusal", [Forbidden("no", status=403), Unauthorized("who?", status=401)])
@pytest.mark.asyncio
async def test_a_withdrawn_permission_is_no_lost_network(refusal: ApiError) -> None:
    """While the stack is taken away its accounts go first: a good change is not rolled back for that."""
    with pytest.raises(ProbeSkipped, match="does not let us read the Node"):
        await NodeReadinessProbe(Server(refusal), "n").attempt(NO_CHANGE)  # type: ignore[arg-type]
