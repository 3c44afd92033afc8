"""What the rollout's controller writes when what it was told is old; over a model of the API server."""

from random import Random
from typing import Any

import pytest

from nmstate_k8s.controllers.policy import WRITES_BEFORE_A_LOOK, PolicyReconciler
from nmstate_k8s.controllers.world import World
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import MutableStore
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.rollout.apimodel import ApiModel, Place
from nmstate_k8s.testing.rollout.link import Link

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

KEY = Key("", "p")
POLICY = Place("nodenetworkconfigurationpolicies", "", "p")


class Scene:
    """A policy on nodes (a and b), a store that knows of it, and a reconciler that is called by hand."""

    def __init__(self, *names: str, **spec: Any) -> None:
        clock = LoopClock()
        self.server = ApiModel(clock.monotonic)
        client = Client(ClusterConfig("http://model"), clock=clock, transport=Link(self.server, Random(1)))
        self.store = MutableStore()
        self.world = World(clock)
        self.rollout = PolicyReconciler(client, self.store, self.world)
        for name in names or ("a", "b"):
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            node = self.server.create(Place("nodes", "", name), {"metadata": {"name": name}, "status": ready})
            self.world.on_node(Event(None, Object.from_dict(node)))
            pod = {"metadata": {"name": f"handler-{name}", "namespace": "n"}, "spec": {"nodeName": name}}
            self.world.on_pod(Event(None, Object.from_dict(pod)))
        self.server.create(POLICY, {"metadata": {"name": "p"}, "spec": {"desiredState": {"is": "old"}, **spec}})
        self.hear()

    def hear(self) -> None:
        """The watch tells of the policy."""
        self.store.put(Object.from_dict(self.server.objects[POLICY.key]))

    @property
    def admitted(self) -> dict[str, Any]:
        """The specs of all enactments, by name."""
        found = self.server.all("nodenetworkconfigurationenactments")
        return {each["metadata"]["name"]: each.get("spec") for each in found}


async def test_what_a_policy_said_before_is_no_longer_brought_to_a_node() -> None:
    """Though the watch has not told yet that it says something else."""
    scene = Scene(maxUnavailable=2)
    scene.server.merge(POLICY, {"spec": {"desiredState": {"is": "new"}, "maxUnavailable": 1}})
    await scene.rollout.reconcile(KEY)
    specs = [each for each in scene.admitted.values() if each]
    assert [(each["policyGeneration"], each["desiredState"]) for each in specs] == [(2, {"is": "new"})]


async def test_a_policy_that_is_gone_begins_nothing() -> None:
    """Though the watch has not told yet."""
    scene = Scene()
    scene.server.delete(POLICY)
    await scene.rollout.reconcile(KEY)
    assert scene.admitted == {}


async def test_where_nothing_is_to_be_done_nothing_is_asked() -> None:
    """A look at a policy costs no request."""
    scene = Scene()
    await scene.rollout.reconcile(KEY)
    version = scene.server.version
    await scene.rollout.reconcile(KEY)
    assert scene.server.version == version


async def test_a_large_plan_is_made_anew_on_the_way() -> None:
    """An edit need not wait until all is written; nodes that are to begin come first."""
    scene = Scene(*(f"n{number:04}" for number in range(2 * WRITES_BEFORE_A_LOOK)), maxUnavailable="25%")
    result = await scene.rollout.reconcile(KEY)
    assert result is not None
    assert result.requeue_after == 0
    assert len(scene.admitted) == WRITES_BEFORE_A_LOOK
    assert sum(spec is not None for spec in scene.admitted.values()) == WRITES_BEFORE_A_LOOK // 2
    scene.server.merge(POLICY, {"spec": {"desiredState": {"is": "new"}}})
    scene.hear()
    for _ in range(5):
        await scene.rollout.reconcile(KEY)
    assert len(scene.admitted) == 2 * WRITES_BEFORE_A_LOOK
    assert {spec["policyGeneration"] for spec in scene.admitted.values() if spec is not None} == {2}
