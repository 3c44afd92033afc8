"""The dns probe against servers on this machine, and what it makes of families."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
import pytest_asyncio

from nmstate_k8s.domain.desired.errors import HostUnavailable
from nmstate_k8s.domain.host.probes.addresses import addresses_of, family_of
from nmstate_k8s.domain.host.probes.dns import DnsProbe
from nmstate_k8s.domain.host.probes.result import NO_CHANGE, Change, ProbeFailed, ProbeSkipped

pytestmark = pytest.mark.asyncio


class Zone(asyncio.DatagramProtocol):
    """A DNS server with one name; it does not hear the first `deaf` packets."""

    def __init__(self, name: str, kind: str, rcode: int = dns.rcode.NOERROR, deaf: int = 0) -> None:
        self.name, self.kind, self.rcode, self.deaf = name, kind, rcode, deaf

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self.deaf:
            self.deaf -= 1
            return
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.set_rcode(self.rcode)
        question = query.question[0]
        if str(question.name) == self.name and dns.rdatatype.to_text(question.rdtype) == self.kind and not self.rcode:
            value = "ns.example." if self.kind == "NS" else "192.0.2.7"
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", self.kind, value))
        self.transport.sendto(answer.to_wire(), address)


@pytest_asyncio.fixture
async def zone() -> AsyncIterator[Callable[..., Any]]:
    made: list[Any] = []

    async def serve(*arguments: Any, **more: Any) -> int:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Zone(*arguments, **more), local_addr=("127.0.0.1", 0)
        )
        made.append(transport)
        return int(transport.get_extra_info("sockname")[1])

    yield serve
    for transport in made:
        transport.close()


def known(*servers: str) -> Callable[[], Any]:
    async def name_servers() -> list[str]:
        return list(servers)

    return name_servers


def probe(host: str, port: int, *servers: str, family: Any = "ipv4") -> DnsProbe:
    made = DnsProbe(family, host, name_servers=known(*servers), port=port)
    made.try_seconds = 1.0
    return made


CHANGED = Change(b"{}", b"{}")


async def test_one_server_that_answers_is_enough(zone: Any) -> None:
    """root-servers.net is asked for name servers, another host for addresses; a dead server beside is no harm."""
    port = await zone("root-servers.net.", "NS")
    await probe("root-servers.net", port, "127.0.0.2", "127.0.0.1").attempt(NO_CHANGE)
    port = await zone("host.example.", "A")
    await probe("host.example", port, "127.0.0.1").attempt(NO_CHANGE)


async def test_a_lost_packet_is_sent_again(zone: Any) -> None:
    """Within the same try."""
    port = await zone("root-servers.net.", "NS", deaf=1)
    patient = probe("root-servers.net", port, "127.0.0.1")
    patient.try_seconds = 3.0
    await patient.attempt(NO_CHANGE)


async def test_no_answer_for_the_name_fails_with_the_reason(zone: Any) -> None:
    """What each server said is told."""
    port = await zone("host.example.", "A", dns.rcode.SERVFAIL)
    with pytest.raises(ProbeFailed, match=r"127\.0\.0\.1: SERVFAIL"):
        await probe("host.example", port, "127.0.0.1").attempt(NO_CHANGE)
    port = await zone("other.example.", "A")
    with pytest.raises(ProbeFailed, match=r"127\.0\.0\.1 knows no A"):
        await probe("host.example", port, "127.0.0.1").attempt(NO_CHANGE)
    with pytest.raises(ProbeFailed, match=r"is no name"):
        await probe("bad..example", port, "127.0.0.1").attempt(NO_CHANGE)


async def test_no_dns_server_at_all_fails() -> None:
    """An apply that takes the last server away is noticed."""
    with pytest.raises(ProbeFailed, match="there is no DNS server"):
        await probe("host.example", 53).attempt(CHANGED)

    async def unknown() -> list[str]:
        raise HostUnavailable("NetworkManagerUnavailable", "does not answer")

    with pytest.raises(ProbeFailed, match="does not answer"):
        await DnsProbe("ipv4", "host.example", name_servers=unknown).attempt(NO_CHANGE)


async def test_each_family_asks_its_own_servers(zone: Any) -> None:
    """Before the change a server of the other family does not make up for it, nor after it for a silent one."""
    port = await zone("host.example.", "A")
    with pytest.raises(ProbeFailed, match="there is no IPv6 DNS server"):
        await probe("host.example", port, "127.0.0.1", family="ipv6").attempt(NO_CHANGE)
    with pytest.raises(ProbeFailed, match="::1"):
        await probe("host.example", port, "127.0.0.1", "::1", family="ipv6").attempt(CHANGED)


async def test_a_family_without_servers_is_not_missed_while_another_answers(zone: Any) -> None:
    """The contract wants any server that answers; one that is there and does not, is none."""
    port = await zone("host.example.", "A")
    with pytest.raises(ProbeSkipped, match="no IPv6 DNS server is left; another answers"):
        await probe("host.example", port, "127.0.0.1", family="ipv6").attempt(CHANGED)
    port = await zone("host.example.", "A", dns.rcode.REFUSED)
    with pytest.raises(ProbeFailed, match="REFUSED"):
        await probe("host.example", port, "127.0.0.1", family="ipv6").attempt(CHANGED)


async def test_names_are_resolved_by_the_nodes_own_servers(zone: Any) -> None:
    """Not by the pod's resolv.conf; an address needs nobody."""
    port = await zone("host.example.", "A")
    assert await addresses_of("host.example", known("127.0.0.2", "127.0.0.1"), port=port) == ["192.0.2.7"]
    assert await addresses_of("2001:db8::7", known()) == ["2001:db8::7"]
    with pytest.raises(ProbeFailed, match=r"other\.example is not resolved: 127\.0\.0\.1 knows no A"):
        await addresses_of("other.example", known("127.0.0.1"), port=port)
    with pytest.raises(ProbeFailed, match="there is no DNS server"):
        await addresses_of("host.example", known("dns+tls://9.9.9.9#dns.example"), port=port)


async def test_what_is_an_address() -> None:
    """A link-local one may name its interface; a DNS-over-TLS server is none that we can ask."""
    assert [family_of(each) for each in ("192.0.2.1", "fe80::1%eth0", "dns+tls://9.9.9.9", "x.example")] == [
        "ipv4",
        "ipv6",
        None,
        None,
    ]
