"""Which messages of the kernel are news: real messages, made by the kernel's own rules."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable

import pytest

from nmstate_k8s.domain.host.churn import Churn
from nmstate_k8s.domain.host.netlink import NetlinkWatch
from nmstate_k8s.domain.host.rtnetlink import GET_LINK, Told, dump_request, ends, told

NEW_LINK, DEL_LINK, NEW_ADDRESS, DEL_ADDRESS, NEW_ROUTE, DEL_ROUTE, NEW_CONF = 16, 17, 20, 21, 24, 25, 80
UP = 0x1
DHCP, KERNEL, BGP = 16, 2, 186
Attributes = Iterable[tuple[int, bytes]]


def attributes(pairs: Attributes) -> bytes:
    data = b""
    for kind, value in pairs:
        data += struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
    return data


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body + b"\0" * (-len(body) % 4)


def link(
    index: int,
    name: str,
    *more: tuple[int, bytes],
    kind: str = "",
    data: Attributes = (),
    flags: int = UP,
    gone: bool = False,
    family: int = 0,
) -> bytes:
    parts = [(3, name.encode() + b"\0"), *more]
    if kind:
        info = [(1, kind.encode() + b"\0"), (2, attributes(data))]
        parts.append((18, attributes(info)))
    head = struct.pack("=BxHiII", family, 1, index, flags, 0)
    return message(DEL_LINK if gone else NEW_LINK, head + attributes(parts))


def pods_end(index: int, name: str, **more: bool) -> bytes:
    return link(index, name, (5, struct.pack("=i", 2)), (37, struct.pack("=i", 0)), kind="veth", **more)  # type: ignore[arg-type]


def address(index: int, ip: str, *, seconds: int = 3600, gone: bool = False) -> bytes:
    raw = socket.inet_aton(ip)
    parts = [(1, raw), (2, raw), (6, struct.pack("=IIII", seconds, seconds, 1, 2))]
    return message(DEL_ADDRESS if gone else NEW_ADDRESS, struct.pack("=BBBBI", 2, 24, 0, 0, index) + attributes(parts))


def route(
    index: int, *, protocol: int = DHCP, gateway: str = "192.0.2.1", gone: bool = False, table: int = 254
) -> bytes:
    head = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, table, protocol, 0, 1, 0)
    parts = [(15, struct.pack("=I", table)), (5, socket.inet_aton(gateway)), (4, struct.pack("=i", index))]
    return message(DEL_ROUTE if gone else NEW_ROUTE, head + attributes(parts))


def forwarding(index: int, on: int = 1) -> bytes:
    parts = [(1, struct.pack("=i", index)), (2, struct.pack("=i", on))]
    return message(NEW_CONF, b"\x02\0\0\0" + attributes(parts))


class Node:
    """A node that reports eth0 and knows what it has."""

    def __init__(self, *reported: str) -> None:
        self.churn = Churn()
        self.start(link(2, "eth0"), address(2, "192.0.2.11"))
        self.churn.reported(reported or ("eth0", "cni0"))

    def start(self, *datagrams: bytes) -> None:
        for each in told(b"".join(datagrams)):
            self.churn.learn(each)

    def hears(self, *datagrams: bytes) -> bool:
        """Whether there is news in these messages, which is then passed on."""
        for each in told(b"".join(datagrams)):
            self.churn.hear(each)
        news = self.churn.news
        self.churn.told()
        return news


def test_what_is_there_already_is_no_news() -> None:
    """The same again, and a lease that is renewed."""
    node = Node()
    assert not node.hears(link(2, "eth0"), address(2, "192.0.2.11"))
    assert not node.hears(address(2, "192.0.2.11", seconds=7200))
    assert not node.hears(link(2, "eth0", (7, b"counters"), (35, b"\1\0\0\0")))


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(link(2, "eth0", flags=0), id="a link goes down"),
        pytest.param(link(2, "eth0", (4, b"\x28\x23\0\0")), id="an MTU"),
        pytest.param(link(2, "lan0"), id="a name"),
        pytest.param(link(2, "eth0", gone=True), id="a link goes"),
        pytest.param(link(9, "dummy1", kind="dummy"), id="a link comes"),
        pytest.param(address(2, "192.0.2.12"), id="an address comes"),
        pytest.param(address(2, "192.0.2.11", gone=True), id="an address goes"),
        pytest.param(route(2), id="a route"),
        pytest.param(forwarding(2), id="forwarding"),
        pytest.param(message(32, b"a rule"), id="a rule"),
        pytest.param(link(9, "veth0", (5, struct.pack("=i", 8)), kind="veth"), id="a veth with both ends here"),
    ],
)
def test_what_changes_is_news_once(datagram: bytes) -> None:
    """And not a second time, unless it can have changed silently meanwhile."""
    node = Node()
    assert node.hears(datagram)


def test_pods_come_and_go_unnoticed() -> None:
    """The order is the kernel's: settings come before the link, the other end is not known at first."""
    node = Node()
    node.start(link(5, "cni0", kind="bridge", data=[(19, b"\1" * 8)]))
    born = [
        forwarding(7),
        link(7, "veth7", (5, struct.pack("=i", 0)), kind="veth", flags=0),
        pods_end(7, "veth7"),
        link(5, "cni0", kind="bridge", data=[(19, b"\2" * 8), (48, b"\7\0\0\0")]),
        link(7, "veth7", (12, attributes([(1, b"\3")])), family=7),
        address(7, "169.254.1.1"),
        route(7),
    ]
    assert not node.hears(*born)
    dying = [link(7, "veth7", (5, struct.pack("=i", 0)), kind="veth", flags=0), address(7, "169.254.1.1", gone=True)]
    assert not node.hears(*dying, route(7, gone=True), link(7, "veth7", kind="veth", gone=True))


def test_a_veth_that_is_reported_counts() -> None:
    """A node's own uplink may be one, in a lab or in a container."""
    node = Node("eth0", "veth7")
    assert node.hears(pods_end(7, "veth7"))
    assert node.hears(address(7, "192.0.2.7"))
    assert node.hears(pods_end(7, "veth7", gone=True))


def test_before_the_first_report_every_veth_counts() -> None:
    """Which ones are reported is not known yet."""
    churn = Churn()
    for each in told(pods_end(7, "veth7")):
        churn.hear(each)
    assert churn.news


def test_a_link_on_its_way_into_a_pod_is_no_news() -> None:
    """It came and went before anybody looked."""
    assert not Node().hears(link(9, "macvlan0", kind="macvlan"), link(9, "macvlan0", kind="macvlan", gone=True))


def test_a_link_that_goes_while_somebody_looks_is_news() -> None:
    """The look may have seen it."""
    node = Node()
    assert node.hears(link(9, "dummy1", kind="dummy"))
    node.churn.looking()
    assert node.hears(link(9, "dummy1", kind="dummy", gone=True))


def test_pods_that_pass_while_somebody_looks_are_remembered() -> None:
    """Until the next look begins; of those that came it is known whether they stayed."""
    node = Node()
    node.hears(pods_end(6, "veth6"))
    assert not node.churn.passing, "nobody looks"
    node.churn.looking()
    node.hears(pods_end(7, "veth7"), pods_end(8, "veth8"), link(9, "dummy1", kind="dummy"))
    node.hears(pods_end(8, "veth8", gone=True), pods_end(6, "veth6", gone=True), pods_end(7, "veth7"))
    assert node.churn.passing == {"veth6", "veth7", "veth8"}
    assert [name for name in sorted(node.churn.passing) if node.churn.stays(name)] == ["veth7"]
    node.churn.reported(("eth0",))
    node.churn.looking()
    assert not node.churn.passing


def test_what_is_learned_is_not_passing() -> None:
    """The node's own uplink may be a veth."""
    churn = Churn()
    churn.looking()
    for each in told(pods_end(2, "eth0")):
        churn.learn(each)
    assert not churn.passing


def test_a_route_that_comes_back_is_news() -> None:
    """The kernel takes it away with its link, and says so of the link only."""
    node = Node()
    assert node.hears(route(2))
    assert node.hears(link(2, "eth0", flags=0))
    assert node.hears(link(2, "eth0"))
    assert node.hears(route(2))


def test_a_route_that_is_renewed_is_no_news() -> None:
    """A router advertises itself every few minutes; after news the first renewal is looked at."""
    node = Node()
    assert node.hears(route(2))
    assert node.hears(route(2))
    churn = node.churn
    for datagram in (route(2), route(2)):
        for each in told(datagram):
            churn.hear(each)
    churn.told()


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(route(2, protocol=BGP), id="a routing daemon's"),
        pytest.param(route(2, protocol=KERNEL), id="the kernel's own"),
        pytest.param(route(2, table=255), id="a local one"),
    ],
)
def test_routes_that_are_not_reported_are_no_news(datagram: bytes) -> None:
    """A full BGP table may change a hundred times a second."""
    assert not Node().hears(datagram)


def test_lost_messages_are_news() -> None:
    """And everything that follows is, once."""
    node = Node()
    node.churn.lost()
    assert node.churn.news
    node.churn.told()
    assert node.hears(link(2, "eth0"))
    assert not node.hears(link(2, "eth0"))


def test_what_is_remembered_is_bounded() -> None:
    """Half a million addresses are not kept."""
    churn = Churn()
    for index in range(120_000):
        churn.hear(Told(("address", 2, 2, 24, index), 2, False, index))
    assert sum(len(said) for said in churn._said.values()) <= 50_000


def test_what_cannot_be_read_is_said() -> None:
    """A datagram that is cut off must not pass for silence."""
    with pytest.raises(ValueError, match="does not fit"):
        list(told(link(2, "eth0")[:-8]))
    with pytest.raises(ValueError, match="cannot be read"):
        list(told(message(NEW_LINK, b"short")))


@pytest.mark.asyncio
async def test_the_kernel_of_this_machine_is_understood() -> None:
    """Its links are learned, lo among them, and the watch begins without news."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(dump_request(GET_LINK))
        datagrams = [netlink.recv(65536)]
        while not ends(datagrams[-1]):
            datagrams.append(netlink.recv(65536))
    links = [each.link.name for datagram in datagrams for each in told(datagram) if each.link is not None]
    assert "lo" in links
    woken: list[None] = []
    watch = asyncio.create_task(NetlinkWatch(Churn(), lambda: woken.append(None)).run())
    done, _ = await asyncio.wait({watch}, timeout=0.2)
    assert not done
    watch.cancel()


@pytest.mark.asyncio
async def test_what_was_heard_is_counted_only_while_somebody_listens() -> None:
    """What other watches tell counts like the kernel's news, at once; those whom it wakes are told once it settles."""
    woken = asyncio.Event()
    watch = NetlinkWatch(Churn(), woken.set)
    assert watch.heard() is None
    running = asyncio.create_task(watch.run())
    before = await _listening(watch)
    watch.elsewhere()
    heard = watch.heard()
    assert heard is not None
    assert heard > before
    await asyncio.wait_for(woken.wait(), 10)
    running.cancel()
    await asyncio.wait({running})
    assert watch.heard() is None


async def _listening(watch: NetlinkWatch) -> int:
    async with asyncio.timeout(10):
        while True:
            if (heard := watch.heard()) is not None:
                return heard
            await asyncio.sleep(0.01)


def test_each_news_counts() -> None:
    """Also such as is taken back before anybody is told; what is no news does not count."""
    churn = Churn()
    for datagram in (link(7, "eth7"), link(7, "eth7"), link(7, "eth7", gone=True)):
        for each in told(datagram):
            churn.hear(each)
    assert churn.heard == 2
    churn.lost()
    assert churn.heard == 3
