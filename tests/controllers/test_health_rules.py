"""What Argo CD and kstatus make of each phase of a rollout, which the real controllers carry out on virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_conditions
from nmstate_k8s.api.model import to_json
from nmstate_k8s.testing.clock import START
from nmstate_k8s.testing.rollout.apimodel import ApiModel, Place
from nmstate_k8s.testing.rollout.nodes import NAMESPACE
from nmstate_k8s.testing.rollout.replica import Replica
from nmstate_k8s.testing.rollout.virtualtime import run_virtually
from tests.controllers.healthrules import argo_enactment, argo_policy, kstatus

POLICY = Place("nodenetworkconfigurationpolicies", "", "p")
CANARY = {"maxUnavailable": 1, "rollout": {"steps": [{"nodes": 1, "pause": {}}]}, "desiredState": {"interfaces": []}}


class Story:
    """A controller, three nodes that say what they are told to, and one policy."""

    def __init__(self) -> None:
        self.server = ApiModel(asyncio.get_running_loop().time)
        for name in "abc":
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            self.server.create(Place("nodes", "", name), {"metadata": {"name": name}, "status": ready})
            labels = {"component": "kubernetes-nmstate-handler"}
            pod = {"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "spec": {"nodeName": name}}
            self.server.create(Place("pods", NAMESPACE, name), pod)

    def apply(self, **spec: Any) -> None:
        """kubectl apply; a new policy has the status that its schema gives it."""
        if POLICY.key in self.server.objects:
            self.server.merge(POLICY, {"spec": spec})
        else:
            body = {"metadata": {"name": "p"}, "spec": spec, "status": {"observedGeneration": -1}}
            self.server.create(POLICY, body)

    def annotate(self, verb: str, value: str) -> None:
        """kubectl annotate."""
        self.server.merge(POLICY, {"metadata": {"annotations": {f"nmstate.io/rollout-{verb}": value}}})

    def report(self, node: str, phase: EnactmentPhase) -> None:
        """What the node says of what it is admitted to."""
        place = Place("nodenetworkconfigurationenactments", "", f"{node}.p")
        generation = self.server.objects[place.key]["spec"]["policyGeneration"]
        conditions = [to_json(each) for each in enactment_conditions(phase, "so it is", now=START)]
        for each in conditions:
            each["lastTransitionTime"] = each["lastHeartbeatTime"] = "2026-01-01T00:00:00Z"
        self.server.set_status(place, {"conditions": conditions, "policyGeneration": generation})

    def seen(self) -> tuple[str, str, str]:
        """What Argo CD and kstatus say of the policy, and Argo CD of each enactment (by its first letter)."""
        policy = self.server.objects[POLICY.key]
        found = self.server.all("nodenetworkconfigurationenactments")
        health = {each["metadata"]["name"][0]: argo_enactment(each)[0] for each in found}
        return argo_policy(policy), kstatus(policy), "".join(health.get(name, "-") for name in "abc")


@asynccontextmanager
async def controlled() -> AsyncIterator[Story]:
    """With a controller that leads."""
    story = Story()
    replica = Replica(story.server, "only", Random(1), skewed=False)
    replica.start()
    await asyncio.sleep(5)
    try:
        yield story
    finally:
        await replica.kill()


async def _canary() -> None:
    async with controlled() as story:
        story.apply(**CANARY)
        assert story.seen() == ("Progressing", "InProgress", "---"), "applied just now"
        await asyncio.sleep(3)
        assert story.seen() == ("Progressing", "InProgress", "PPP"), "a is admitted, b and c wait"
        story.report("a", EnactmentPhase.RETRYING)
        await asyncio.sleep(3)
        assert story.seen() == ("Progressing", "InProgress", "PPP"), "a tries again"
        story.report("a", EnactmentPhase.AVAILABLE)
        await asyncio.sleep(30)
        assert story.seen() == ("Progressing", "InProgress", "HPP"), "paused at the step"
        story.annotate("promote", "1")
        for node in "bc":
            await asyncio.sleep(3)
            assert story.seen()[:2] == ("Progressing", "InProgress")
            story.report(node, EnactmentPhase.AVAILABLE)
        await asyncio.sleep(3)
        assert story.seen() == ("Healthy", "Current", "HHH")


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
        assert story.seen() == ("Healthy", "Current", "HHH")
        story.apply(maxUnavailable=1, desiredState={"interfaces": [{"name": "eth1"}]})
        assert story.seen()[1] == "InProgress", "kstatus looks at generations"
        await asyncio.sleep(1)
        assert story.seen()[:2] == ("Progressing", "InProgress"), "Argo CD does not: the status is reset at once"
        await asyncio.sleep(3)
        story.report("a", EnactmentPhase.FAILED)
        await asyncio.sleep(2)
        assert story.seen() == ("Degraded", "Failed", "DSS"), "a failed, b and c aborted"
        story.apply(nodeSelector={"no": "node"})
        await asyncio.sleep(1)
        assert story.seen()[:2] == ("Suspended", "Current"), "ignored"


def test_a_failure_is_degraded_and_an_edit_begins_anew() -> None:
    """An older Healthy does not stand in for the new generation."""
    run_virtually(_failure())


async def _stall() -> None:
    async with controlled() as story:
        story.apply(progressDeadlineSeconds=60, desiredState={"interfaces": []})
        await asyncio.sleep(40)
        assert story.seen()[:2] == ("Progressing", "InProgress")
        await asyncio.sleep(40)
        assert story.seen()[:2] == ("Degraded", "Failed"), "nothing moves"
        story.report("a", EnactmentPhase.PROGRESSING)
        await asyncio.sleep(3)
        assert story.seen()[:2] == ("Progressing", "InProgress"), "it moves again"


def test_a_stall_is_degraded_until_something_moves() -> None:
    """The rollout itself was never stopped."""
    run_virtually(_stall())
