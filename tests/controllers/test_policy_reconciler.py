"""What the rollout's controller writes when what it was told is old; over a model of the API server."""

import asyncio
from random import Random
from typing import Any

import pytest

from nmstate_k8s.controllers.policy import LOOK_AGAIN, WRITES_BEFORE_A_LOOK, PolicyReconciler
from nmstate_k8s.controllers.world import ENDS_WITHIN, World
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import MutableStore
from nmstate_k8s.testing.clock import LoopClock, until
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

    def forget(self) -> None:
        """The policy is deleted, and the watch tells of it."""
        self.server.delete(POLICY)
        self.store.remove(KEY)

    def report(self, name: str, phase: str, *, heard: bool = True) -> None:
        """What a node says of what it is admitted to."""
        place = Place("nodenetworkconfigurationenactments", "", name)
        generation = self.server.objects[place.key]["spec"]["policyGeneration"]
        conditions = [{"type": phase, "status": "True", "reason": "R", "message": "so it is"}]
        made = self.server.set_status(place, {"conditions": conditions, "policyGeneration": generation})
        if heard:
            self.world.on_enactment(Event(None, Object.from_dict(made)))

    async def look(self) -> None:
        """A reconcile, after which the watch tells of the enactments that are gone."""
        version = self.server.version
        await self.rollout.reconcile(KEY)
        for each in self.server.history:
            if each.version > version and each.what == "DELETED":
                self.world.on_enactment(Event(Object.from_dict(each.object), None))

    def begun_with(self, state: str) -> set[str]:
        """The enactments that say so."""
        return {name for name, spec in self.admitted.items() if spec and spec["desiredState"] == {"is": state}}

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


async def begun(scene: Scene) -> None:
    """Both nodes say that they are amid a change; the watch tells."""
    await scene.rollout.reconcile(KEY)
    for name in ("a.p", "b.p"):
        scene.report(name, "Progressing")


async def test_a_node_amid_a_change_keeps_its_enactment_until_it_has_ended() -> None:
    """Though the policy is gone; one that has not begun does not begin any more."""
    scene = Scene(maxUnavailable=2)
    await scene.rollout.reconcile(KEY)
    scene.report("a.p", "Progressing")
    scene.forget()
    result = await scene.rollout.reconcile(KEY)
    assert result is not None
    assert result.requeue_after == ENDS_WITHIN
    assert set(scene.admitted) == {"a.p"}
    scene.report("a.p", "Available")
    await scene.rollout.reconcile(KEY)
    assert scene.admitted == {}


async def test_a_node_that_does_not_end_is_not_waited_for_for_ever() -> None:
    """Its handler may have died."""
    scene = Scene(maxUnavailable=2)
    await begun(scene)
    scene.forget()
    await scene.rollout.reconcile(KEY)
    await asyncio.sleep(ENDS_WITHIN)
    await scene.rollout.reconcile(KEY)
    assert scene.admitted == {}


async def test_a_node_at_work_for_an_earlier_policy_of_that_name_has_a_slot() -> None:
    """The next one begins with it when it has ended."""
    scene = Scene("a", "b", "c", maxUnavailable=2)
    await begun(scene)
    scene.forget()
    scene.server.create(
        POLICY, {"metadata": {"name": "p"}, "spec": {"desiredState": {"is": "new"}, "maxUnavailable": 2}}
    )
    scene.hear()
    for _ in range(2):
        await scene.look()
    assert scene.begun_with("new") == set()
    scene.report("b.p", "Available")
    for _ in range(2):
        await scene.look()
    assert scene.begun_with("new") == {"c.p"}


async def test_a_node_that_begins_while_its_enactment_is_to_go_keeps_it() -> None:
    """The watch has not told of that yet; and that is found out soon."""
    scene = Scene("a")
    await scene.rollout.reconcile(KEY)
    scene.report("a.p", "Progressing", heard=False)
    scene.forget()
    result = await scene.rollout.reconcile(KEY)
    assert result is not None
    assert result.requeue_after == LOOK_AGAIN
    assert set(scene.admitted) == {"a.p"}


async def test_where_nothing_is_to_be_done_nothing_is_asked() -> None:
    """A look at a policy costs no request."""
    scene = Scene()
    await scene.rollout.reconcile(KEY)
    version = scene.server.version
    await scene.rollout.reconcile(KEY)
    assert scene.server.version == version


async def test_a_large_plan_is_made_anew_on_the_way() -> None:
    """An edit need not wait until all is written; nodes that are to begin come first, and then a few that wait."""
    scene = Scene(*(f"n{number:04}" for number in range(2 * WRITES_BEFORE_A_LOOK)), maxUnavailable="75%")
    going_on = asyncio.create_task(scene.rollout.reconcile(KEY))
    await until(lambda: len(scene.admitted) >= WRITES_BEFORE_A_LOOK // 2, 60)
    assert None not in scene.admitted.values()
    scene.server.merge(POLICY, {"spec": {"desiredState": {"is": "new"}}})
    await until(lambda: None in scene.admitted.values(), 60)
    assert len(scene.begun_with("old")) <= WRITES_BEFORE_A_LOOK
    assert len(scene.begun_with("old") | scene.begun_with("new")) == 3 * WRITES_BEFORE_A_LOOK // 2
    await going_on
    scene.hear()
    await scene.rollout.reconcile(KEY)
    assert len(scene.admitted) == 2 * WRITES_BEFORE_A_LOOK
    assert {spec["policyGeneration"] for spec in scene.admitted.values() if spec is not None} == {2}
