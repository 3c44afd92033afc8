"""What a policy's status says of a rollout that stands still: by a step, by somebody's word, or nobody knows why."""

from typing import Any

import pytest

from nmstate_k8s.api.conditions import EnactmentPhase
from nmstate_k8s.testing.clock import LoopClock
from tests.controllers.statuskit import Scene

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

CANARY = {"rollout": {"steps": [{"nodes": 1, "pause": {}}]}}
A_MINUTE = {"rollout": {"steps": [{"nodes": 1, "pause": {"duration": "1m"}}]}}


def true(scene: Scene) -> list[tuple[str, str]]:
    """The conditions that are True, and their reasons."""
    return [(each["type"], each["reason"]) for each in scene.server.last["conditions"] if each["status"] == "True"]


async def test_nothing_moves_for_the_deadline_and_the_policy_is_degraded(clock: LoopClock) -> None:
    """Naming the nodes and their stages; once. The rollout itself goes on, and so does the status."""
    scene = Scene(clock)
    scene.policy(spec={"progressDeadlineSeconds": 100})
    scene.report("a", EnactmentPhase.PROGRESSING, "Applying desired state")
    assert await scene.look() == pytest.approx(100)
    await clock.sleep(60)
    scene.report("b", EnactmentPhase.PENDING)
    assert await scene.look() == pytest.approx(100)
    await clock.sleep(99)
    assert await scene.look() == pytest.approx(1)
    await clock.sleep(1)
    assert await scene.look() is None
    assert true(scene) == [("Degraded", "ProgressDeadlineExceeded"), ("Stalled", "ProgressDeadlineExceeded")]
    told = (
        "0/2 nodes finished, no progress for 100 s: node a is Progressing: Applying desired state;"
        " node b is Pending: Waiting for progressing nodes to finish"
    )
    assert scene.server.written[-1] == f"Degraded: {told}"
    assert scene.events.about("ProgressDeadlineExceeded") == [f"Warning ProgressDeadlineExceeded {told}"]
    await clock.sleep(50)
    await scene.look()
    assert scene.server.written[-1] == f"Degraded: {told}"
    assert len(scene.server.requests) == 2
    scene.report("a", EnactmentPhase.AVAILABLE)
    assert await scene.look() == pytest.approx(100)
    assert true(scene)[0] == ("Progressing", "ConfigurationProgressing")


async def test_a_node_that_does_not_begin_is_named_and_a_long_word_is_cut(clock: LoopClock) -> None:
    """A node's words do not fill a policy's message."""
    scene = Scene(clock)
    scene.policy(spec={"progressDeadlineSeconds": 10})
    scene.report("b", EnactmentPhase.RETRYING, "no\n" * 500)
    await scene.look()
    await clock.sleep(10)
    await scene.look()
    said = scene.server.written[-1]
    assert "node b is Retrying: no no no" in said
    assert "node a has not been told to wait or begin" in said
    assert len(said) < 400


async def test_a_deadline_of_0_is_none(clock: LoopClock) -> None:
    """It may last."""
    scene = Scene(clock)
    scene.policy(spec={"progressDeadlineSeconds": 0})
    assert await scene.look() is None
    await clock.sleep(10_000)
    await scene.look()
    assert true(scene)[0] == ("Progressing", "ConfigurationProgressing")


async def test_an_edit_begins_the_deadline_anew(clock: LoopClock) -> None:
    """Though no enactment has moved yet."""
    scene = Scene(clock)
    scene.policy(1)
    await scene.look()
    await clock.sleep(599)
    scene.policy(2)
    assert await scene.look() == pytest.approx(600)
    assert true(scene)[0] == ("Progressing", "ConfigurationProgressing")


async def test_a_pause_is_no_stall(clock: LoopClock) -> None:
    """The deadline begins when it goes on."""
    scene = Scene(clock)
    scene.policy(spec=CANARY)
    scene.report("a", EnactmentPhase.AVAILABLE)
    for _ in range(3):
        assert await scene.look() is None
        await clock.sleep(1000)
    assert true(scene) == [("Progressing", "PausedAtStep"), ("Reconciling", "PausedAtStep")]
    assert scene.server.written == [
        "Progressing: Policy is progressing 1/2 nodes finished, paused at step 1 of 1 until promoted"
    ]
    assert scene.events.about("PausedAtStep")
    scene.policy(spec=CANARY, promote="1")
    assert await scene.look() == pytest.approx(600)
    assert true(scene)[0] == ("Progressing", "ConfigurationProgressing")


async def test_a_pause_with_an_end_is_looked_at_again_then(clock: LoopClock) -> None:
    """Time alone opens it."""
    scene = Scene(clock)
    scene.policy(spec=A_MINUTE)
    scene.report("a", EnactmentPhase.AVAILABLE)
    wait = await scene.look()
    assert wait == pytest.approx(60, abs=1)
    await clock.sleep(wait or 0)
    await scene.look()
    assert true(scene)[0] == ("Progressing", "ConfigurationProgressing")


async def test_a_rollout_that_is_paused_by_somebody_says_so(clock: LoopClock) -> None:
    """While nodes are left to come."""
    scene = Scene(clock)
    scene.policy(pause="1")
    scene.report("a", EnactmentPhase.AVAILABLE)
    await scene.look()
    assert true(scene)[0] == ("Progressing", "RolloutPaused")
    scene.report("b", EnactmentPhase.AVAILABLE)
    await scene.look()
    assert true(scene)[0] == ("Available", "SuccessfullyConfigured")


@pytest.mark.parametrize(
    ("a", "b", "counts"),
    [
        (None, None, {"available": 0, "progressing": 0, "pending": 2, "failing": 0}),
        ("PROGRESSING", "PENDING", {"available": 0, "progressing": 1, "pending": 1, "failing": 0}),
        ("AVAILABLE", "RETRYING", {"available": 1, "progressing": 1, "pending": 0, "failing": 0}),
        ("AVAILABLE", "AVAILABLE", {"available": 2, "progressing": 0, "pending": 0, "failing": 0}),
        ("FAILED", "ABORTED", {"available": 0, "progressing": 0, "pending": 0, "failing": 1, "aborted": 1}),
    ],
)
async def test_the_counts_tell_where_each_node_is(
    clock: LoopClock, a: str | None, b: str | None, counts: dict[str, Any]
) -> None:
    """Each matching node is in one of them."""
    scene = Scene(clock)
    scene.policy()
    for node, phase in (("a", a), ("b", b)):
        if phase is not None:
            scene.report(node, EnactmentPhase[phase])
    await scene.look()
    assert scene.server.last["rollout"] == {"matching": 2, "ready": 2, **counts}
    assert sum(counts.values()) == 2
