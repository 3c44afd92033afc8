"""Every policy of manifests/examples, applied as it is: in effect on each node, and taken away again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import condition
from e2e.kit.examples import ALREADY_SO, CHAINS, DNS_SERVERS, SHOWS, Chain
from e2e.kit.shell import ROOT
from e2e.kit.wires import answering_dns, dhcp, separate

EXAMPLES = ROOT / "manifests/examples"
CARDS_OF_THE_LAB = "veth"


@pytest.fixture(scope="module")
def wires(cluster: Cluster) -> Iterator[None]:
    """What the examples count on: DHCP on eth1's wire, addresses that no other node has there, DNS servers."""
    with dhcp("eth1"), separate("eth1"), answering_dns(*DNS_SERVERS):
        yield


def test_every_example_is_tried() -> None:
    """No file in the folder is left out, and none is tried that is not there."""
    tried = {name for chains in CHAINS.values() for chain in chains for name in chain.examples}
    assert tried == set(SHOWS)
    assert tried | {"lldp"} == {file.stem for file in EXAMPLES.glob("*.yaml")}


@pytest.mark.parametrize("chains", CHAINS.values(), ids=CHAINS.keys())
def test_an_example_is_in_effect_and_goes_again(
    cluster: Cluster, nodes: list[Node], wires: None, chains: tuple[Chain, ...]
) -> None:
    """Applied unchanged, an example does on each node what it says; its counterpart leaves nothing of it behind."""
    for chain in chains:
        before = {node.name: _kernel(node) for node in nodes}
        for name in chain.examples:
            for node in nodes:
                assert name in ALREADY_SO or not SHOWS[name](node), f"{name} shows on {node.name} before it is applied"
            _apply(cluster, name)
            for node in nodes:
                eventually(f"{name} is in effect on {node.name}", lambda n=name, w=node: SHOWS[n](w), timeout=30)
            _nothing_is_done_twice(cluster, name)
        _take_away(cluster, nodes, chain)
        for node in nodes:
            _nothing_is_left(node, before[node.name])


def test_lldp_finds_the_cards_of_each_node(cluster: Cluster, nodes: list[Node]) -> None:
    """The captures of lldp.yaml choose the cards that are up, whatever their names; LLDP is on there and reported.

    The nodes' cards here are veths: for those the example, as it stands, finds nothing and says so.
    """
    text = (EXAMPLES / "lldp.yaml").read_text()
    cluster.apply(text)
    cluster.wait("nncp", "lldp", "Degraded", timeout=60)
    failing = [condition(each, "Failing").get("message", "") for each in cluster.enactments("lldp").values()]
    assert any("ethernet" in message and "nothing was changed" in message for message in failing), failing

    cluster.apply(text.replace('"ethernet"', f'"{CARDS_OF_THE_LAB}"'))
    cluster.wait("nncp", "lldp", "Available")
    for node in nodes:
        eventually(
            f"the NodeNetworkState of {node.name} tells of LLDP on its cards alone",
            lambda node=node: _with_lldp(cluster, node) == {"eth0", "eth1", "eth2"},
            timeout=10,
        )


def _apply(cluster: Cluster, name: str) -> None:
    cluster.kubectl("apply", "-f", str(EXAMPLES / f"{name}.yaml"))
    cluster.wait("nncp", name, "Available")


def _nothing_is_done_twice(cluster: Cluster, name: str) -> None:
    """An edit that is not about the nodes' network makes them look, find it in effect, and leave it alone."""
    cluster.kubectl("patch", "nncp", name, "--type=merge", "--patch", '{"spec": {"maxUnavailable": "100%"}}')
    cluster.wait("nncp", name, "Available")
    for enactment, found in cluster.enactments(name).items():
        assert "apply" not in found["status"]["timing"], f"{enactment} was applied again: {found['status']}"


def _take_away(cluster: Cluster, nodes: Sequence[Node], chain: Chain) -> None:
    cluster.apply(cluster.policy("away", chain.away, maxUnavailable=len(nodes)))
    cluster.wait("nncp", "away", "Available")
    cluster.delete_policies()


def _kernel(node: Node) -> dict[str, object]:
    """The node's network without the text of its profiles: links, routes, rules, the profiles' names, OVS bridges."""
    state = node.state()
    return {
        **{key: state[key] for key in ("links", "routes", "rules")},
        "profiles": sorted(node.profiles()),
        "bridges": node.ovs_bridges(),
    }


def _nothing_is_left(node: Node, before: dict[str, object]) -> None:
    try:
        eventually("as at first", lambda: _kernel(node) == before, timeout=20)
    except AssertionError:
        now = _kernel(node)
        left = {key: (before[key], now[key]) for key in before if before[key] != now[key]}
        assert not left, f"{node.name} is not as at first: {left}"


def _with_lldp(cluster: Cluster, node: Node) -> set[str]:
    interfaces = cluster.get("nns", node.name)["status"]["currentState"]["interfaces"]
    return {each["name"] for each in interfaces if each.get("lldp", {}).get("enabled")}
