"""After any crash the node is as it was, or as desired and probed; never in between. `hack/faults` tries far more.

The last ones are the proof that these tests see something: with a safeguard off, the same crash loses the node.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from e2e.faults.cases import named
from e2e.faults.scene import Scene
from e2e.faults.trial import carry_out
from e2e.kit import Cluster

CRASHES = (
    "cut/mute-bridge/before-probe",
    "cut-at-once/bond/after",
    "kill/bond/before-commit",
    "kill-both/mute-and-more/before-probe",
    "nm-and-handler-kill/hole/before-probe",
    "left-alone/pit/before-probe",
    "disk-full/bond/from-the-start",
)
CONTROLS = ("without-parachute/mute-bridge/before-probe", "without-sync/bond/after")


@pytest.fixture(autouse=True)
def fresh_nodes() -> None:
    """Each trial makes its node fresh itself."""


@pytest.fixture(scope="module")
def scene(cluster: Cluster) -> Iterator[Scene]:
    scene = Scene(cluster, cluster.nodes()[-1])
    scene.open()
    yield scene
    scene.close()


@pytest.mark.parametrize("name", [*CRASHES, *CONTROLS])
def test_a_crash_leaves_nothing_in_between(scene: Scene, name: str) -> None:
    result = carry_out(scene, named(name), random.Random(name))
    assert result.ok, f"{result.why}\n{result.told}\n{result.evidence}"
