"""A rollout on virtual time: the real controller, three nodes that say what they are told to, and one policy."""

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

POLICY = Place("nodenetworkconfigurationpolicies", "", "p")


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

    @property
    def policy(self) -> dict[str, Any]:
        """As it stands."""
        return self.server.objects[POLICY.key]

    @property
    def enactments(self) -> dict[str, dict[str, Any]]:
        """By the first letter of their names, which is the node's."""
        found = self.server.all("nodenetworkconfigurationenactments")
        return {each["metadata"]["name"][0]: each for each in found}

    @property
    def admitted(self) -> str:
        """The nodes that were let to begin with the policy's generation."""
        generation = self.policy["metadata"]["generation"]
        admitted = {name: each.get("spec", {}).get("policyGeneration") for name, each in self.enactments.items()}
        return "".join(sorted(name for name, each in admitted.items() if each == generation))


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
