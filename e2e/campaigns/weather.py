"""Bad weather on the wires, and policies that are applied in it: none of them may be rolled back for that.

The weather is made inside the node, in the namespace that holds its cables, so that it begins at the right moment.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.campaigns.attempt import apply_to, ended
from e2e.campaigns.field import took_away
from e2e.campaigns.ledger import Trial
from e2e.campaigns.uplink import OFF, Json, address
from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition
from e2e.kit.node import LAB
from e2e.kit.shell import ROOT

__all__ = ["dummy", "flapping", "forget", "good_policy", "lossy", "unplugged_meanwhile"]

# When the first interface of the policy is there, its apply is under way: the outage outlasts it, into the probes.
_UNPLUG = """
trap 'ip -n wire link set port0 up' EXIT
i=0
until ip link show dev "$1" >/dev/null 2>&1; do
    i=$((i + 1)); [ $i -lt 3000 ] || exit 1
    sleep 0.02
done
ip -n wire link set port0 down
sleep "$2"
"""
_FLAP = """
trap 'ip -n wire link set "$1" up; exit 0' EXIT TERM HUP
while :; do
    ip -n wire link set "$1" down; sleep "$2"
    ip -n wire link set "$1" up; sleep "$2"
done
"""


def dummy(name: str, ip: str) -> Json:
    """A harmless policy: a new interface with an address."""
    return {"interfaces": [{"name": name, "type": "dummy", "state": "up", "ipv4": address(ip), "ipv6": OFF}]}


def forget(node: Node, interface: str) -> None:
    """Take away what a `dummy` made, as an administrator would: its link and its profile."""
    node.exec("nmcli", "connection", "delete", interface, check=False)


def good_policy(cluster: Cluster, node: Node, name: str, policy: str, desired: Json) -> Trial:
    """Apply a policy that is good; it has to become Available at its first attempt."""
    begun = time.monotonic()
    handler = cluster.handler_restarts()[node.name]
    generation = apply_to(cluster, node, policy, desired)
    enactment = ended(cluster, node, policy, generation, timeout=240)
    seconds, problems = time.monotonic() - begun, []
    if condition(enactment, "Available").get("status") != "True":
        problems.append(f"rolled back: {condition(enactment, 'Failing').get('message')}")
    elif enactment["status"].get("retryCount"):
        problems.append(f"not at the first attempt: {enactment['status']['retryCount']}")
    if cluster.handler_restarts()[node.name] != handler:
        problems.append("the handler was restarted")
    evidence = cluster.tell(policy) if problems else ""
    return Trial(name, node.name, seconds, tuple(problems), _probes(enactment), evidence)


def unplugged_meanwhile(cluster: Cluster, node: Node, *, seconds: int) -> Trial:
    """A good policy; eth0's cable is out for `seconds` from its apply into its probes."""
    interface = "dummy7"
    argv = [LAB, "exec", node.name, "--", "sh", "-c", _UNPLUG, "unplug", interface, str(seconds)]
    policy = f"unplugged-{node.name}"
    with took_away(cluster, policy):
        try:
            with subprocess.Popen(argv, cwd=ROOT) as unplugging:
                trial = good_policy(cluster, node, "unplugged", policy, dummy(interface, "203.0.113.77"))
            enactment = cluster.enactments(policy)[node.name]
            slowest = max((probe.get("milliseconds", 0) for probe in enactment["status"].get("probes", ())), default=0)
            problems = [*trial.problems]
            if unplugging.returncode:
                problems.append("the cable was never pulled")
            elif trial.ok and slowest < 1000 * seconds / 3:
                problems.append(f"the outage missed the probes, which took {slowest} ms")
        finally:
            forget(node, interface)
    eventually(f"{node.name} Ready", lambda: cluster.node_ready(node.name), timeout=90)
    node.settle()
    return Trial(trial.name, trial.node, trial.seconds, tuple(problems), trial.told, trial.evidence)


@contextmanager
def lossy(node: Node, *, loss: int, delay: int) -> Iterator[None]:
    """What leaves eth0 is late by `delay` milliseconds, and `loss` percent of it never arrives."""
    node.exec(
        "tc", "-n", "wire", "qdisc", "add", "dev", "vec0", "root", "netem", "delay", f"{delay}ms", "loss", f"{loss}%"
    )
    try:
        yield
    finally:
        node.exec("tc", "-n", "wire", "qdisc", "delete", "dev", "vec0", "root")


@contextmanager
def flapping(node: Node, nic: str, *, every: float = 0.5) -> Iterator[None]:
    """The NIC's carrier goes and comes all the time."""
    port = f"port{nic.removeprefix('eth')}"
    unit = f"flap-{port}"
    node.exec("systemd-run", f"--unit={unit}", "--collect", "sh", "-c", _FLAP, "flap", port, f"{every}")
    try:
        yield
    finally:
        node.exec("systemctl", "stop", unit)
        node.exec("ip", "-n", "wire", "link", "set", port, "up")


def _probes(enactment: Json) -> str:
    probes = enactment.get("status", {}).get("probes", ())
    return ", ".join(f"{probe['name']} {probe.get('milliseconds', 0)} ms" for probe in probes)
