"""What a handler holds, and the round of work after which it has to hold no more."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from e2e.campaigns.attempt import apply_to, ended
from e2e.campaigns.field import took_away
from e2e.campaigns.uplink import OFF, Json, address, ethernet
from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition

__all__ = ["ROUND", "Holdings", "back_to", "grown", "holdings", "work"]

ALLOWED = {"memory_mb": 10.0, "threads": 2}
"""The allocator gives back in steps, and a pool starts its threads as they are needed; what leaks grows on."""

_LOOK = """
pid=$(pgrep -o -f '[n]mstate-handler node')
awk '/^VmRSS/ { print "memory_mb", $2 / 1024 } /^Threads/ { print "threads", $2 }' /proc/$pid/status
echo files $(ls /proc/$pid/fd | wc -l)
echo sockets $(ls -l /proc/$pid/fd | grep -c socket:)
echo bus $(busctl list --unique --no-legend --no-pager | awk -v pid=$pid '$2 == pid' | wc -l)
exec 3<>/dev/tcp/127.0.0.1/8081
printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3
sed -n 's/^process_asyncio_tasks /tasks /p' <&3
"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the handler's process holds at one moment."""

    memory_mb: float
    threads: int
    files: int
    sockets: int
    bus: int
    """Connections to D-Bus."""
    tasks: int
    """asyncio's, as its own metric tells."""


def holdings(node: Node) -> Holdings:
    """Look at the handler's process on the node."""
    found = dict(line.split() for line in node.exec("bash", "-c", _LOOK).stdout.splitlines())
    return Holdings(
        memory_mb=round(float(found["memory_mb"]), 1),
        **{name: int(float(found[name])) for name in ("threads", "files", "sockets", "bus", "tasks")},
    )


def grown(before: Holdings, after: Holdings) -> list[str]:
    """What there is more of than chance makes."""
    found = []
    for name, old in asdict(before).items():
        new = asdict(after)[name]
        if new > old + ALLOWED.get(name, 0):
            found.append(f"{name}: {old} at the start, {new} at the end")
    return found


def back_to(node: Node, before: Holdings, *, timeout: float = 90) -> tuple[Holdings, list[str]]:
    """What the handler holds now, and what of it is more than before even after some idle time."""
    seen: list[Holdings] = []

    def no_more() -> bool:
        seen.append(holdings(node))
        return not grown(before, seen[-1])

    try:
        eventually("as at the start", no_more, timeout=timeout, every=2.0)
    except AssertionError:
        return seen[-1], grown(before, seen[-1])
    return seen[-1], []


_GOOD: Json = {
    "interfaces": [
        {
            "name": "bond7",
            "type": "bond",
            "state": "up",
            "link-aggregation": {"mode": "active-backup", "port": ["eth1", "eth2"]},
        },
        {
            "name": "bond7.107",
            "type": "vlan",
            "state": "up",
            "vlan": {"base-iface": "bond7", "id": 107},
            "ipv4": address("203.0.113.7"),
            "ipv6": OFF,
        },
    ]
}
_UNDONE: Json = {
    "interfaces": [
        {"name": "bond7.107", "type": "vlan", "state": "absent"},
        {"name": "bond7", "type": "bond", "state": "absent"},
        ethernet("eth1", ipv4=OFF, ipv6=OFF),
        ethernet("eth2", ipv4=OFF, ipv6=OFF),
    ]
}
_BAD: Json = {"routes": {"config": [{"destination": "10.96.0.1/32", "route-type": "blackhole"}]}}
_WRONG: Json = {"interfaces": [ethernet("eth66", ipv4=OFF)]}

ROUND = ((_GOOD, "Available"), (_UNDONE, "Available"), (_BAD, "Failing"), (_WRONG, "Failing"))
"""Applied, taken back, rolled back by a probe, refused."""


def work(cluster: Cluster, node: Node, number: int) -> list[str]:
    """One round; each part of it is a policy of its own. What did not end as it should."""
    problems = []
    for part, (desired, ending) in enumerate(ROUND):
        policy = f"soak-{node.name}-{number}-{part}"
        with took_away(cluster, policy):
            generation = apply_to(cluster, node, policy, desired, probe_seconds=3)
            enactment = ended(cluster, node, policy, generation, timeout=240)
            if condition(enactment, ending).get("status") != "True":
                problems.append(f"{policy} is not {ending}\n{cluster.tell(policy)}")
    return problems
