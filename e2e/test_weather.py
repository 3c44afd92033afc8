"""Good policies in bad weather: a few of the trials of `hack/weather`."""

from __future__ import annotations

from collections.abc import Callable

from e2e.campaigns.field import over_nodes, took_away
from e2e.campaigns.ledger import Ledger, failed
from e2e.campaigns.weather import dummy, flapping, good_policy, lossy, unplugged_meanwhile
from e2e.kit import Cluster, Node

Scene = Callable[[Cluster, Node, Ledger], None]


def _unplugged(cluster: Cluster, node: Node, ledger: Ledger) -> None:
    ledger.add(unplugged_meanwhile(cluster, node, seconds=15))


def _lossy_and_flapping(cluster: Cluster, node: Node, ledger: Ledger) -> None:
    with took_away(cluster, "weather"), flapping(node, "eth1"), lossy(node, loss=10, delay=300):
        for number in range(3):
            ledger.add(good_policy(cluster, node, "lossy", "weather", dummy("dummy7", f"203.0.113.{number + 1}")))


def test_a_good_policy_is_not_rolled_back_for_bad_weather(cluster: Cluster, nodes: list[Node]) -> None:
    """eth0 unplugged from the apply into the probes; late and lost packets while another NIC flaps."""
    ledger = Ledger("weather-short")
    scenes: list[Scene] = [_unplugged, _lossy_and_flapping]
    over_nodes(nodes, scenes, lambda node, scene: scene(cluster, node, ledger))
    assert len(ledger.trials) == 4
    assert not failed(ledger.trials), failed(ledger.trials)
