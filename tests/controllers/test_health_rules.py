"""What Argo CD and kstatus make of each phase of a rollout, which the real controllers carry out on virtual time."""

import asyncio

from nmstate_k8s.api.conditions import EnactmentPhase
from nmstate_k8s.testing.rollout.virtualtime import run_virtually
from tests.controllers.healthrules import argo_enactment, argo_policy, kstatus
from tests.controllers.storykit import Story, controlled

CANARY = {"maxUnavailable": 1, "rollout": {"steps": [{"nodes": 1, "pause": {}}]}, "desiredState": {"interfaces": []}}


CANARY = {"maxUnavailable": 1, "rollout": {"steps": [{"nodes": 1, "pause": {}}]}, "desiredState": {"interfaces": []}}


def seen(story: Story) -> tuple[str, str, str]:
    """What Argo CD and kstatus say of the policy, and Argo CD of each enactment (by its first letter)."""
    health = {name: argo_enactment(each)[0] for name, each in story.enactments.items()}
    return argo_policy(story.policy), kstatus(story.policy), "".join(health.get(name, "-") for name in "abc")


async def _canary() -> None:
    async with controlled() as story:
        story.apply(**CANARY)
        assert seen(story) == ("Progressing", "InProgress", "---"), "applied just now"
        await asyncio.sleep(3)
        assert seen(story) == ("Progressing", "InProgress", "PPP"), "a is admitted, b and c wait"
        story.report("a", EnactmentPhase.RETRYING)
        await asyncio.sleep(3)
        assert seen(story) == ("Progressing", "InProgress", "PPP"), "a tries again"
        story.report("a", EnactmentPhase.AVAILABLE)
        await asyncio.sleep(30)
        assert seen(story) == ("Progressing", "InProgress", "HPP"), "paused at the step"
        story.annotate("promote", "1")
        for node in "bc":
            await asyncio.sleep(3)
            assert seen(story)[:2] == ("Progressing", "InProgress")
            story.report(node, EnactmentPhase.AVAILABLE)
        await asyncio.sleep(3)
        assert seen(story) == ("Healthy", "Current", "HHH")


def test_a_canary_that_is_promoted_is_healthy_when_all_nodes_are() -> None:
    """And never before."""
    run_virtually(_canary())


async def _failure() -> None:
    async with controlled() as story:
        story.apply(maxUnavailable="100%", desiredState={"interfaces": []})
        await asyncio.sleep(3)
        for node in "abc":
            story.report(node, EnactmentPhase.AVAILABLE)
        await asyncio.sleep(3)
        assert seen(story) == ("Healthy", "Current", "HHH")
        story.apply(maxUnavailable=1, desiredState={"interfaces": [{"name": "eth1"}]})
        assert seen(story)[1] == "InProgress", "kstatus looks at generations"
        await asyncio.sleep(1)
        assert seen(story)[:2] == ("Progressing", "InProgress"), "Argo CD does not: the status is reset at once"
        await asyncio.sleep(3)
        story.report("a", EnactmentPhase.FAILED)
        await asyncio.sleep(2)
        assert seen(story) == ("Degraded", "Failed", "DSS"), "a failed, b and c aborted"
        story.apply(nodeSelector={"no": "node"})
        await asyncio.sleep(1)
        assert seen(story)[:2] == ("Suspended", "Current"), "ignored"


def test_a_failure_is_degraded_and_an_edit_begins_anew() -> None:
    """An older Healthy does not stand in for the new generation."""
    run_virtually(_failure())


async def _stall() -> None:
    async with controlled() as story:
        story.apply(progressDeadlineSeconds=60, desiredState={"interfaces": []})
        await asyncio.sleep(40)
        assert seen(story)[:2] == ("Progressing", "InProgress")
        await asyncio.sleep(40)
        assert seen(story)[:2] == ("Degraded", "Failed"), "nothing moves"
        story.report("a", EnactmentPhase.PROGRESSING)
        await asyncio.sleep(3)
        assert seen(story)[:2] == ("Progressing", "InProgress"), "it moves again"


def test_a_stall_is_degraded_until_something_moves() -> None:
    """The rollout itself was never stopped."""
    run_virtually(_stall())
