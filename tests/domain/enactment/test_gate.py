"""How far a rollout may go by its steps, and by what a user says of it."""

from datetime import UTC, datetime, timedelta

import pytest

from nmstate_k8s.api.conditions import EnactmentPhase
from nmstate_k8s.api.rollout import Pause, Rollout, Step
from nmstate_k8s.domain.enactment.gate import OPEN, Gate, gate
from nmstate_k8s.domain.policy.facts import EnactmentFacts
from nmstate_k8s.domain.policy.verbs import NOTHING_SAID, Verbs

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CANARY = Rollout(steps=(Step(nodes=1, pause=Pause()), Step(percent=25, pause=Pause(duration="10m"))))
"""One node until promoted; a quarter for ten minutes; the rest."""


def enactments(*minutes: int, phase: EnactmentPhase = EnactmentPhase.AVAILABLE) -> list[EnactmentFacts]:
    """Of generation 3: nodes that are in a phase for so many minutes."""
    return [
        EnactmentFacts(
            f"n{n}.p", f"n{n}", "p", admitted=3, reported=3, phase=phase, since=NOW - timedelta(minutes=each)
        )
        for n, each in enumerate(minutes)
    ]


def at(rollout: Rollout | None, *minutes: int, verbs: Verbs = NOTHING_SAID, nodes: int = 8) -> Gate:
    """The gate of a policy on 8 nodes, some of which are Available for so many minutes."""
    return gate(rollout, verbs, generation=3, nodes=nodes, enactments=enactments(*minutes), now=NOW)


def test_without_steps_it_is_open() -> None:
    """Nothing of what is not asked for."""
    assert at(None) == at(Rollout()) == OPEN


def test_as_many_nodes_begin_as_the_step_says() -> None:
    """And none but these, until they are Available."""
    assert at(CANARY) == Gate(limit=1, step=1)


def test_a_pause_without_an_end_waits_for_somebody() -> None:
    """However long."""
    assert at(CANARY, 100_000) == Gate(1, 1, "PausedAtStep", "paused at step 1 of 2 until promoted")
    assert at(CANARY, 0, verbs=Verbs(promoted=1)) == Gate(limit=2, step=2)


def test_a_pause_with_an_end_is_over_by_itself() -> None:
    """Counted from when the last node of the step became Available; later ones do not begin it anew."""
    promoted = Verbs(promoted=1)
    paused = at(CANARY, 30, 4, verbs=promoted)
    assert paused == Gate(2, 2, "PausedAtStep", "paused at step 2 of 2 until 2026-01-01T12:06:00Z", 360.0)
    assert at(CANARY, 30, 10, verbs=promoted) == OPEN
    assert at(CANARY, 30, 10, 1, 1, verbs=promoted) == OPEN


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(Rollout(steps=(Step(nodes=1, pause=Pause(duration="9" * 31 + "h")),)), id="pause"),
        pytest.param(Rollout(steps=(Step(nodes=1),), soak_seconds=2**63 - 1), id="soak"),
    ],
)
def test_a_wait_beyond_all_calendars_is_a_long_one(endless: Rollout) -> None:
    """A hundred years, so that its end can be written."""
    waits = at(endless, 0)
    assert (waits.reason, waits.step) == ("PausedAtStep", 1)
    assert waits.message == "paused at step 1 of 1 until 2125-12-08T12:00:00Z"


def test_promoting_the_generation_passes_all_steps_that_are_complete() -> None:
    """Not one that is not: its nodes come first."""
    everything = Verbs(promoted=None)
    assert at(CANARY, verbs=everything) == Gate(limit=1, step=1)
    assert at(CANARY, 0, verbs=everything) == Gate(limit=2, step=2)
    assert at(CANARY, 0, 0, verbs=everything) == OPEN


@pytest.mark.parametrize(("minutes", "opens_in"), [(0, 90.0), (1, 30.0), (2, None)])
def test_a_step_soaks(minutes: int, opens_in: float | None) -> None:
    """Where it has no pause too."""
    soaking = Rollout(steps=(Step(nodes=1),), soak_seconds=90)
    assert at(soaking, minutes).opens_in == opens_in
    assert at(soaking, minutes).reason == ("PausedAtStep" if opens_in else "")


def test_a_step_that_does_not_pause_is_over_whatever_the_clocks_say() -> None:
    """A node's may be ahead of ours."""
    plain = Rollout(steps=(Step(nodes=1),))
    assert at(plain, -10) == OPEN


@pytest.mark.parametrize(
    ("duration", "seconds"), [("90s", 90.0), ("1h30m", 5400.0), ("1.5m", 90.0), ("250ms", 0.25), ("2m5s", 125.0)]
)
def test_durations_are_those_of_go(duration: str, seconds: float) -> None:
    """As everywhere in Kubernetes."""
    assert at(Rollout(steps=(Step(nodes=1, pause=Pause(duration=duration)),)), 0).opens_in == seconds


@pytest.mark.parametrize(("nodes", "limit"), [(1, 1), (4, 1), (5, 2), (100, 25)])
def test_a_percentage_is_rounded_up(nodes: int, limit: int) -> None:
    """A canary is at least one node."""
    assert at(Rollout(steps=(Step(percent=25),)), nodes=nodes).limit == limit


def test_a_step_of_more_nodes_than_there_are_is_one_of_all() -> None:
    """A cluster shrinks."""
    assert at(Rollout(steps=(Step(nodes=5, pause=Pause()),)), nodes=2).limit == 2
    assert at(CANARY, nodes=0) == OPEN


def test_a_node_of_another_generation_completes_nothing() -> None:
    """An edit begins anew."""
    old = gate(CANARY, NOTHING_SAID, generation=4, nodes=8, enactments=enactments(5, 5), now=NOW)
    assert old == Gate(limit=1, step=1)


def test_a_user_may_pause_and_abort_at_any_time() -> None:
    """Nothing begins; the word is on the status."""
    assert at(None, verbs=Verbs(paused=True)) == Gate(0, 0, "RolloutPaused", "paused by annotation")
    assert at(CANARY, 5, verbs=Verbs(paused=True)).step == 1
    aborted = at(CANARY, verbs=Verbs(aborted=True, paused=True))
    assert (aborted.limit, aborted.abort) == (0, "the rollout of generation 3 was aborted by annotation")
