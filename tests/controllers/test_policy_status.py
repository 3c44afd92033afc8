"""When a policy's status is written, and what is told of it."""

import json
from typing import Any

import pytest

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase, enactment_conditions
from nmstate_k8s.api.model import to_json
from nmstate_k8s.controllers.policystatus import PolicyStatusReconciler
from nmstate_k8s.controllers.world import World
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.events import EventRecorder
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import MutableStore
from nmstate_k8s.core.transport import Request, Response
from nmstate_k8s.domain.kinds import POLICIES
from nmstate_k8s.testing.clock import LoopClock
from nmstate_k8s.testing.transport import ScriptedTransport, answer

KEY = Key("", "p")


class Server(ScriptedTransport):
    """Takes every status of the policy and counts its versions up."""

    version = 100

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        self.requests.append(request)
        self.version += 1
        return answer({"metadata": {"name": "p", "uid": "u", "resourceVersion": str(self.version)}})

    @property
    def written(self) -> list[str]:
        """The true condition of each write, and its message."""
        statuses = [json.loads(each.body or b"{}")["status"] for each in self.requests]
        true = [next(each for each in status["conditions"] if each["status"] == "True") for status in statuses]
        return [f"{each['type']}: {each['message']}" for each in true]


class Told(EventRecorder):
    """Remembers events instead of writing them."""

    def __init__(self, client: Client) -> None:
        super().__init__(client, "test", "test")
        self.notes: list[str] = []

    def event(self, regarding: Object, type_: str, reason: str, note: str, action: str = "") -> None:
        self.notes.append(f"{type_} {reason} {note}")

    def about(self, reason: str) -> list[str]:
        """The notes of one reason."""
        return [note for note in self.notes if note.split()[1] == reason]


class Scene:
    """A policy on two nodes."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.server = Server()
        self.client = Client(ClusterConfig("http://server"), clock=clock, transport=self.server)
        self.store = MutableStore()
        self.world = World(clock)
        self.events = Told(self.client)
        self.reconciler = PolicyStatusReconciler(self.client, self.store, self.world, self.events)
        for name in ("a", "b"):
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            node = {"metadata": {"name": name, "uid": name}, "status": ready}
            pod = {"metadata": {"name": name, "namespace": "n"}, "spec": {"nodeName": name}}
            self.world.on_node(Event(None, Object.from_dict(node)))
            self.world.on_pod(Event(None, Object.from_dict(pod)))

    def policy(self, generation: int = 1, uid: str = "u", status: dict[str, Any] | None = None) -> None:
        """The policy as the cache has it."""
        metadata = {"name": "p", "uid": uid, "generation": generation, "resourceVersion": str(generation)}
        self.store.put(Object.from_dict({"metadata": metadata, "spec": {}, "status": status or {}}, POLICIES))

    def report(self, node: str, phase: EnactmentPhase, message: str = "", generation: int = 1) -> None:
        """What the cache has of a node."""
        conditions = enactment_conditions(phase, message, now=self.clock.now())
        body = {
            "metadata": {
                "name": f"{node}.p",
                "uid": f"e-{node}",
                "labels": {"nmstate.io/policy": "p", "nmstate.io/node": node},
            },
            "spec": {"policyGeneration": generation},
            "status": {"policyGeneration": generation, "conditions": [to_json(each) for each in conditions]},
        }
        self.world.on_enactment(Event(None, Object.from_dict(body)))

    async def look(self) -> float | None:
        """Reconcile; in how many seconds again."""
        result = await self.reconciler.reconcile(KEY)
        return result.requeue_after if result else None


@pytest.mark.asyncio
async def test_an_unchanged_status_costs_no_request(clock: LoopClock) -> None:
    """However often it is looked at."""
    scene = Scene(clock)
    scene.policy()
    for _ in range(3):
        assert await scene.look() is None
    assert scene.server.written == ["Progressing: Policy is progressing 0/2 nodes finished"]


@pytest.mark.asyncio
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
async def test_what_another_program_did_to_the_status_is_put_right(clock: LoopClock) -> None:
    """There is one writer."""
    scene = Scene(clock)
    scene.policy()
    await scene.look()
    metadata = {"name": "p", "uid": "u", "generation": 1, "resourceVersion": "1000"}
    scene.store.put(Object.from_dict({"metadata": metadata, "spec": {}, "status": {"conditions": []}}, POLICIES))
    assert await scene.look() is None
    assert len(scene.server.requests) == 2


@pytest.mark.asyncio
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
