"""A rollout goes on where it stands, whatever befalls its controllers: the short form of `hack/leaderless`."""

import uuid
from pathlib import Path

import pytest

from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.rolloutfaults import FAULTS, SHORT, roll_out_through

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_limit_is_kept_and_the_end_is_what_it_would_have_been(
    fault: str, control_plane: ControlPlane, crds: list[str], tmp_path: Path
) -> None:
    """At every version, as an independent client saw them; by two processes whose clocks are ten minutes apart."""
    await roll_out_through(FAULTS[fault], control_plane, f"t{uuid.uuid4().hex[:8]}", SHORT, tmp_path)
