"""When a policy's status is written, and what is told of it."""

import json

import pytest

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase, enactment_conditions
from nmstate_k8s.api.model import to_json
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import POLICIES
from nmstate_k8s.domain.policy.facts import DEFAULT_PROGRESS_DEADLINE
from nmstate_k8s.testing.clock import LoopClock
from tests.controllers.statuskit import Scene


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_an_unchanged_status_costs_no_request(clock: LoopClock) -> None:
    """However often it is looked at."""
    scene = Scene(clock)
    scene.policy()
    for _ in range(3):
        assert await scene.look() == pytest.approx(DEFAULT_PROGRESS_DEADLINE, abs=60)
    assert scene.server.written == ["Progressing: Policy is progressing 0/2 nodes finished"]


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_number_waits_its_turn_and_a_phase_does_not(clock: LoopClock) -> None:
    """The last node's success is told at once."""
    scene = Scene(clock)
    scene.policy()
    await scene.look()
    scene.report("a", EnactmentPhase.AVAILABLE)
    wait = await scene.look()
    assert wait is not None
    assert 0 < wait <= 1
    scene.report("b", EnactmentPhase.AVAILABLE)
    await scene.look()
    assert scene.server.written[1:] == ["Available: 2/2 nodes successfully configured"]


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_new_generation_is_told_at_once_whatever_was_written_before(clock: LoopClock) -> None:
    """Nobody who edits sees the old conditions for long."""
    scene = Scene(clock)
    for generation in range(1, 8):
        scene.policy(generation)
        await scene.look()
    assert len(scene.server.requests) == 7
    last = json.loads(scene.server.requests[-1].body or b"{}")["status"]
    assert last["observedGeneration"] == 7
    assert {each["observedGeneration"] for each in last["conditions"]} == {7}
    assert last["unavailableNodeCountMap"] == {"7": 0}


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_each_final_failure_is_told_once_a_generation(clock: LoopClock) -> None:
    """Retrying is none."""
    scene = Scene(clock)
    scene.policy()
    scene.report("a", EnactmentPhase.RETRYING, "Retrying 2/2")
    await scene.look()
    assert scene.events.about("ReconcileFailed") == []
    scene.report("a", EnactmentPhase.FAILED, "no eth666")
    await scene.look()
    await scene.look()
    assert scene.events.about("ReconcileFailed") == [
        "Warning ReconcileFailed node a failed to configure generation 1: no eth666"
    ]
    scene.policy(2)
    scene.report("a", EnactmentPhase.FAILED, "no eth667", generation=2)
    await scene.look()
    assert len(scene.events.about("ReconcileFailed")) == 2


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_each_phase_that_a_policy_comes_to_is_told_once(clock: LoopClock) -> None:
    """Under the condition's reason; numbers that move within a phase are no turn, a new generation is one."""
    scene = Scene(clock)
    scene.policy()
    await scene.look()
    scene.report("a", EnactmentPhase.AVAILABLE)
    await clock.sleep(2)
    await scene.look()
    scene.report("b", EnactmentPhase.AVAILABLE)
    await clock.sleep(2)
    await scene.look()
    await scene.look()
    scene.policy(2)
    await scene.look()
    assert scene.events.notes == [
        "Normal ConfigurationProgressing Policy is progressing 0/2 nodes finished",
        "Normal SuccessfullyConfigured 2/2 nodes successfully configured",
        "Normal ConfigurationProgressing Policy is progressing 0/2 nodes finished",
    ]


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_who_comes_to_lead_does_not_tell_of_old_failures_again(clock: LoopClock) -> None:
    """The policy's status says that they are known."""
    scene = Scene(clock)
    scene.policy()
    scene.report("a", EnactmentPhase.FAILED, "no eth666")
    await scene.look()
    status = json.loads(scene.server.requests[-1].body or b"{}")["status"]
    heir = Scene(clock)
    heir.policy(status=status)
    heir.report("a", EnactmentPhase.FAILED, "no eth666")
    await heir.look()
    assert heir.events.notes == []
    assert heir.server.requests == []


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_what_another_program_did_to_the_status_is_put_right(clock: LoopClock) -> None:
    """There is one writer."""
    scene = Scene(clock)
    scene.policy()
    await scene.look()
    metadata = {"name": "p", "uid": "u", "generation": 1, "resourceVersion": "1000"}
    scene.store.put(Object.from_dict({"metadata": metadata, "spec": {}, "status": {"conditions": []}}, POLICIES))
    await scene.look()
    assert len(scene.server.requests) == 2


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_enactments_of_an_earlier_policy_of_that_name_say_nothing(clock: LoopClock) -> None:
    """They carry another policy's uid."""
    scene = Scene(clock)
    scene.policy(uid="u2")
    scene.report("a", EnactmentPhase.FAILED, "old")
    old = {
        "metadata": {
            "name": "b.p",
            "uid": "e-b",
            "labels": {"nmstate.io/policy": "p", "nmstate.io/node": "b"},
            "annotations": {"nmstate.io/policy-uid": "u1"},
        },
        "status": {
            "policyGeneration": 1,
            "conditions": [to_json(each) for each in enactment_conditions(EnactmentPhase.FAILED, now=clock.now())],
        },
    }
    scene.world.on_enactment(Event(None, Object.from_dict(old)))
    await scene.look()
    assert scene.server.written == [f"{PolicyPhase.DEGRADED.value}: 1/2 nodes failed to configure"]
