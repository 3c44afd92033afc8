"""What a user says of a rollout by annotation."""

import pytest

from nmstate_k8s.domain.policy.verbs import NOTHING_SAID, Verbs

PROMOTE, PAUSE, ABORT = (f"nmstate.io/rollout-{verb}" for verb in ("promote", "pause", "abort"))


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({}, NOTHING_SAID),
        ({PROMOTE: "4"}, Verbs(promoted=None)),
        ({PROMOTE: " 4/2 "}, Verbs(promoted=2)),
        ({PAUSE: "4"}, Verbs(paused=True)),
        ({ABORT: "4", PAUSE: "4"}, Verbs(aborted=True, paused=True)),
        ({PROMOTE: "3", PAUSE: "5", ABORT: "40"}, NOTHING_SAID),
        ({PROMOTE: "4/", PAUSE: "true", ABORT: ""}, NOTHING_SAID),
        ({PROMOTE: "4" * 5_000, PAUSE: "9" * 5_000}, NOTHING_SAID),
        ({PROMOTE: "4/" + "9" * 5_000}, NOTHING_SAID),
        ({PROMOTE: "٤", ABORT: "4/1"}, NOTHING_SAID),
    ],
)
def test_what_is_said_is_said_of_one_generation(annotations: dict[str, str], said: Verbs) -> None:
    """And nonsense says nothing."""
    assert Verbs.of(annotations, 4) == said


def test_steps_are_promoted_up_to_the_one_that_is_named() -> None:
    """Or all."""
    assert [Verbs(promoted=2).passes(step) for step in (1, 2, 3)] == [True, True, False]
    assert Verbs(promoted=None).passes(99)
    assert not NOTHING_SAID.passes(1)
