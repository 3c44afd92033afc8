"""One lab with the operator installed for the whole run; each test starts from nodes as they were at first.

Where `hack/e2e` runs several labs, each is a run of its own, with its share of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.kit import Cluster, Node, eventually
from e2e.kit.atonce import AtOnce
from e2e.kit.claim import LabRefused
from e2e.kit.install import bring_up, install
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.testing.lanes import Lanes
from nmstate_k8s.testing.rollout.watcher import watching_beside


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(AtOnce(config), "at-once")
    if (lanes := Lanes.from_environment()) is not None:
        config.pluginmanager.register(lanes, "lanes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The lab up, this checkout's images in it, operator and NMState Available."""
    try:
        bring_up()
    except LabRefused as error:
        pytest.exit(str(error), returncode=1)
    install()
    return Cluster()


@pytest.fixture(scope="session")
def profiles(cluster: Cluster) -> dict[str, dict[str, str]]:
    """Node name to its connection profiles before any test."""
    cluster.delete_policies()
    for node in cluster.nodes():
        node.settle()
    return {node.name: node.profiles() for node in cluster.nodes()}


@pytest.fixture(autouse=True)
def fresh_nodes(cluster: Cluster, profiles: dict[str, dict[str, str]]) -> Iterator[None]:
    """After the test: no policy, each node's network as at first; a lost node is back, and the test red."""
    yield
    cluster.delete_policies()

    def as_at_first(node: Node) -> None:
        lost = node.revive()
        node.reset(profiles[node.name])
        eventually(f"{node.name} Ready", lambda: cluster.node_ready(node.name), timeout=90)
        assert not lost, f"{node.name} had ended or hung by itself, and was switched on again.\n{lost}"

    with ThreadPoolExecutor() as pool:
        list(pool.map(as_at_first, cluster.nodes()))


@pytest.fixture(autouse=True)
def kept_promises(fresh_nodes: None, cluster: Cluster) -> Iterator[None]:
    """Whatever the test is about: a rollout's invariants hold at every version of every object."""
    with watching_beside(ClusterConfig.from_kubeconfig(cluster.env["KUBECONFIG"])):
        yield


@pytest.fixture
def nodes(cluster: Cluster) -> list[Node]:
    return cluster.nodes()
