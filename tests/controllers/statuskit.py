"""A policy on two nodes, its status reconciler called by hand, and a server that takes every status."""

import json
from typing import Any

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_conditions
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
WAITING = (EnactmentPhase.PENDING, EnactmentPhase.ABORTED)
"""What the controller says of nodes that it has not admitted."""


class Server(ScriptedTransport):
    """Takes every status of the policy and counts its versions up."""

    version = 100

    async def send(self, request: Request, *, timeout: float, new_connection: bool = False) -> Response:
        self.requests.append(request)
        self.version += 1
        return answer({"metadata": {"name": "p", "uid": "u", "resourceVersion": str(self.version)}})

    @property
    def last(self) -> dict[str, Any]:
        """The status that was written last."""
        status: dict[str, Any] = json.loads(self.requests[-1].body or b"{}")["status"]
        return status

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

    def policy(
        self,
        generation: int = 1,
        uid: str = "u",
        status: dict[str, Any] | None = None,
        spec: dict[str, Any] | None = None,
        **annotations: str,
    ) -> None:
        """The policy as the cache has it; `pause="1"` is the annotation of that name."""
        metadata = {
            "name": "p",
            "uid": uid,
            "generation": generation,
            "resourceVersion": str(generation),
            "annotations": {f"nmstate.io/rollout-{verb}": value for verb, value in annotations.items()},
        }
        self.store.put(Object.from_dict({"metadata": metadata, "spec": spec or {}, "status": status or {}}, POLICIES))

    def report(self, node: str, phase: EnactmentPhase, message: str = "", generation: int = 1) -> None:
        """What the cache has of a node."""
        conditions = enactment_conditions(phase, message, now=self.clock.now())
        body = {
            "metadata": {
                "name": f"{node}.p",
                "uid": f"e-{node}",
                "labels": {"nmstate.io/policy": "p", "nmstate.io/node": node},
            },
            "spec": {} if phase in WAITING else {"policyGeneration": generation},
            "status": {"policyGeneration": generation, "conditions": [to_json(each) for each in conditions]},
        }
        self.world.on_enactment(Event(None, Object.from_dict(body)))

    async def look(self) -> float | None:
        """Reconcile; in how many seconds again."""
        result = await self.reconciler.reconcile(KEY)
        return result.requeue_after if result else None
