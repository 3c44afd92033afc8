"""Probes as a user meets them: own targets, one address family, and a node where nothing but the cluster answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.kit import Cluster, Node
from e2e.kit.cluster import condition
from e2e.kit.node import LAB
from e2e.kit.shell import run

KUBELET = 10250
DUMMY = {"interfaces": [{"name": "dummy1", "type": "dummy", "state": "up"}]}
NOBODY = {"ipv4": "10.11.0.250", "ipv6": "fd00:11::250"}
"""Addresses on the uplink's wire that no one has."""


def _route(destination: str, next_hop: str) -> dict[str, Any]:
    """A route that the kernel prefers, and that leads nowhere."""
    route = {
        "destination": destination,
        "next-hop-interface": "eth0",
        "next-hop-address": next_hop,
        "metric": 10,
    }
    return {"routes": {"config": [route]}}


def _probes(cluster: Cluster, policy: str, node: Node) -> dict[str, dict[str, Any]]:
    """Name of the probe to how it ended."""
    return {probe["name"]: probe for probe in cluster.enactments(policy)[node.name]["status"]["probes"]}


def _only_on(node: Node) -> dict[str, str]:
    return {"kubernetes.io/hostname": node.name}


@contextmanager
def _deaf_router() -> Iterator[None]:
    """The nodes' default gateway, which is their DNS server, answers neither echoes nor questions, without a word."""
    rules = [
        (program, "INPUT", *match, "-j", "DROP")
        for program, match in (
            ("iptables", ("-p", "icmp", "--icmp-type", "echo-request")),
            ("ip6tables", ("-p", "icmpv6", "--icmpv6-type", "echo-request")),
            ("iptables", ("-p", "udp", "--dport", "53")),
            ("ip6tables", ("-p", "udp", "--dport", "53")),
        )
    ]
    try:
        for program, *rule in rules:
            run(LAB, "net", program, "-w", "-I", *rule)
        yield
    finally:
        for program, *rule in rules:
            run(LAB, "net", program, "-w", "-D", *rule, check=False)


def test_what_a_policy_names_and_each_family_must_still_be_reached(cluster: Cluster, nodes: list[Node]) -> None:
    """A route that breaks one's own targets on one node, one that breaks IPv6 on another: rolled back, and named."""
    first, last = nodes[0], nodes[-1]
    name = f"{first.name}.lab"
    address = next(each.partition("/")[0] for each in first.addresses("eth0") if ":" not in each)
    own = {
        "timeoutSeconds": 8,
        "tcp": [{"host": address, "port": KUBELET}, {"host": address, "port": 9}, {"host": name, "port": KUBELET}],
        "http": [{"url": f"https://{address}:{KUBELET}/healthz", "status": 401}],
    }
    before = {node.name: node.state() for node in nodes}
    cluster.apply(
        cluster.policy("own-target", _route(f"{address}/32", NOBODY["ipv4"]), nodeSelector=_only_on(last), probes=own),
        cluster.policy(
            "no-ipv6",
            _route("::/0", NOBODY["ipv6"]),
            nodeSelector=_only_on(first),
            probes={"timeoutSeconds": 8},
        ),
    )
    tcp, http = f"tcp {address}:{KUBELET}", f"https {address}:{KUBELET}/healthz"
    for policy, node, failed in (("own-target", last, [tcp, http]), ("no-ipv6", first, ["ping-ipv6"])):
        cluster.wait("nncp", policy, "Degraded", timeout=150)
        message = condition(cluster.enactments(policy)[node.name], "Failing")["message"]
        assert f"probe failed: {failed[0]}: " in message
        assert all(probe in message for probe in failed)
        assert "rolled back" in message
        assert len(message) <= 300
        ended = _probes(cluster, policy, node)
        assert [probe for probe, how in ended.items() if how["result"] == "Failed"] == failed
        node.is_again(before[node.name], timeout=30)
    ended = _probes(cluster, "own-target", last)
    assert "did not work before the change" in ended[f"tcp {address}:9"]["message"]
    assert ended[f"tcp {name}:{KUBELET}"]["result"] == "Passed", "its IPv6 address takes the connection"


def test_a_node_without_gateway_and_dns_loses_three_seconds_at_most(cluster: Cluster, nodes: list[Node]) -> None:
    """What does not answer before the change is left out, which takes one try of all at once, and no time after."""
    node = nodes[-1]
    with _deaf_router():
        cluster.apply(cluster.policy("air-gapped", DUMMY, nodeSelector=_only_on(node)))
        cluster.wait("nncp", "air-gapped", "Available", timeout=60)

        results = {name: probe["result"] for name, probe in _probes(cluster, "air-gapped", node).items()}
        timing = cluster.enactments("air-gapped")[node.name]["status"]["timing"]
    left_out = dict.fromkeys(("ping-ipv4", "ping-ipv6", "dns-ipv4", "dns-ipv6"), "Skipped")
    assert results == left_out | dict.fromkeys(("api-server", "node-readiness"), "Passed")
    assert timing["prepare"] <= 3.5, timing
    assert timing["probe"] <= 2, timing
    assert "dummy1" in node.links()
