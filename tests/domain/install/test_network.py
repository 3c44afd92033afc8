"""What the API server's endpoints tell."""

from __future__ import annotations

from typing import Any

import pytest

from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.network import api_ports


@pytest.mark.parametrize(
    ("slices", "ports"),
    [
        pytest.param([], set(), id="none"),
        pytest.param([{"ports": [{"name": "https", "port": 6443, "protocol": "TCP"}]}], {6443}, id="one"),
        pytest.param([{"ports": [{"port": 6443}]}, {"ports": [{"port": 443}]}], {443, 6443}, id="of two families"),
        pytest.param([{"ports": None}], set(), id="a slice without ports"),
        pytest.param([{"ports": [{"name": "https"}]}], set(), id="a port that is not said"),
    ],
)
def test_ports_of_the_api_server(slices: list[dict[str, Any]], ports: set[int]) -> None:
    """All ports of all slices."""
    assert api_ports(Object.from_dict(one) for one in slices) == ports
