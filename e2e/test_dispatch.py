"""Dispatch scripts: root on the nodes, and so refused until the NMState allows them (the refusal: test_mistakes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.kit import Cluster, Node, eventually

SCRIPTS = "ls /etc/NetworkManager/dispatcher.d"


@pytest.fixture
def scripts_allowed(cluster: Cluster) -> Iterator[None]:
    cluster.allow_scripts(True)
    yield
    cluster.allow_scripts(False)


@pytest.mark.usefixtures("scripts_allowed")
def test_an_allowed_script_comes_and_goes(cluster: Cluster, nodes: list[Node]) -> None:
    """It lies on the node's disk and runs when the interface comes up; an empty one takes it away."""
    node = nodes[0]
    here = {"kubernetes.io/hostname": node.name}

    def interface(script: str) -> dict[str, Any]:
        eth2 = {"name": "eth2", "type": "ethernet", "state": "up", "dispatch": {"post-activation": script}}
        return {"interfaces": [eth2]}

    cluster.apply(cluster.policy("script", interface("touch /run/e2e-was-here"), nodeSelector=here))
    cluster.wait("nncp", "script", "Available")
    assert "nmstate" in node.sh(SCRIPTS)
    node.sh("nmcli device reapply eth2; nmcli device up eth2")
    eventually("the script ran", lambda: node.sh("ls /run/e2e-was-here", check=False), timeout=30)
    cluster.apply(cluster.policy("script", interface(""), nodeSelector=here))
    cluster.wait("nncp", "script", "Available")
    assert "nmstate" not in node.sh(SCRIPTS)
