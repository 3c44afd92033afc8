"""An API server for the operator's tests, and its administrator. A file that needs another one has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from nmstate_k8s.core.client import Client
from nmstate_k8s.domain.kinds import NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.installkit import apply_install_yaml, collect_garbage


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server with install.yaml applied, as a user would."""
    with ControlPlane.start() as started:
        apply_install_yaml(started)
        yield started


@pytest_asyncio.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator; what he leaves behind is removed."""
    async with Client(plane.config) as client:
        yield client
        for left in (await client.list(NMSTATES)).items:
            await client.delete(NMSTATES, left.name)
            await collect_garbage(client, left)
