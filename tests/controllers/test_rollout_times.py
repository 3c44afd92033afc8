"""What a rollout does in which time; the real controller, on virtual time."""

import asyncio

from nmstate_k8s.api.conditions import EnactmentPhase
from nmstate_k8s.testing.rollout.apimodel import Place
from nmstate_k8s.testing.rollout.virtualtime import run_virtually
from tests.controllers.storykit import Story, controlled

STATE = {"interfaces": []}


async def _node_deleted() -> None:
    async with controlled() as story:
        story.apply(maxUnavailable=1, desiredState=STATE)
        await asyncio.sleep(3)
        assert story.admitted == "a"
        story.report("a", EnactmentPhase.PROGRESSING)
        story.server.delete(Place("nodes", "", "a"))
        await asyncio.sleep(5)
        assert story.admitted == "b"
        assert "a" not in story.enactments


def test_a_node_that_is_deleted_while_admitted_frees_its_slot_in_five_seconds() -> None:
    """Though its handler's pod is still written down, and nobody collects garbage."""
    run_virtually(_node_deleted())


async def _edited(edits: int) -> Story:
    async with controlled() as story:
        story.apply(maxUnavailable=1, desiredState=STATE)
        await asyncio.sleep(3)
        story.report("a", EnactmentPhase.PROGRESSING)
        for number in range(edits):
            story.apply(desiredState={"interfaces": [{"name": f"eth{number}"}]})
            await asyncio.sleep(10 / edits)
            policy = story.policy
            said = {each["observedGeneration"] for each in policy["status"]["conditions"]}
            assert said == {policy["metadata"]["generation"]}, "the conditions are of the newest edit"
        return story


def test_twenty_edits_in_ten_seconds_are_each_told_at_once_and_move_the_node_at_work_on() -> None:
    """No other node begins: it keeps its slot."""
    story = run_virtually(_edited(20))
    assert story.admitted == "a"
    assert story.enactments["a"]["spec"]["desiredState"] == {"interfaces": [{"name": "eth19"}]}


async def _relabelled() -> None:
    async with controlled() as story:
        story.apply(nodeSelector={"zone": "x"}, desiredState=STATE)
        await asyncio.sleep(1)
        assert story.policy["status"]["conditions"][3]["status"] == "True", "Ignored"
        story.server.merge(Place("nodes", "", "b"), {"metadata": {"labels": {"zone": "x"}}})
        await asyncio.sleep(3)
        assert story.admitted == "b"
        story.server.merge(Place("nodes", "", "b"), {"metadata": {"labels": {"zone": "y"}}})
        await asyncio.sleep(3)
        assert story.enactments == {}
        assert story.policy["status"]["conditions"][3]["status"] == "True", "Ignored again"


def test_a_node_that_comes_to_match_gets_an_enactment_and_one_that_ceases_loses_it() -> None:
    """Within seconds, and the policy is right as soon."""
    run_virtually(_relabelled())
