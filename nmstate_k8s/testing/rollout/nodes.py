"""Nodes of a simulated cluster, and handlers that do what they are admitted to, slowly, and sometimes badly."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from random import Random
from typing import Any

from nmstate_k8s.testing.clock import START
from nmstate_k8s.testing.rollout.apimodel import ApiModel, Place

__all__ = ["SimulatedNode"]

Json = dict[str, Any]

NAMESPACE = "nmstate"
POLICY_GENERATION = "policyGeneration"
_TYPES = ("Progressing", "Failing", "Available", "Pending", "Aborted")


class SimulatedNode:
    """A Node, its handler's pod, and the handler: a task that is lost with all that it knows when it crashes."""

    def __init__(self, server: ApiModel, name: str, random: Random) -> None:
        self.name = name
        self._server = server
        self._random = random
        self._handler: asyncio.Task[None] | None = None
        self._uid = ""
        self._pods = 0

    # --- The node -----------------------------------------------------------------------------------------------

    def join(self, labels: dict[str, str], *, ready: bool) -> None:
        """The Node comes to be; its handler a moment later (`start`)."""
        conditions = [{"type": "Ready", "status": str(ready)}]
        body = {"metadata": {"name": self.name, "labels": labels}, "status": {"conditions": conditions}}
        self._uid = self._server.create(self._place, body)["metadata"]["uid"]

    def set_ready(self, ready: bool) -> None:
        """What its kubelet says."""
        self._server.merge(self._place, {"status": {"conditions": [{"type": "Ready", "status": str(ready)}]}})

    def label(self, labels: dict[str, str | None]) -> None:
        """Set some, take some away (None)."""
        self._server.merge(self._place, {"metadata": {"labels": labels}})

    async def leave(self) -> None:
        """An administrator deletes it at work; what belongs to it is collected after a while."""
        self._server.delete(self._place)
        await self.crash()
        await asyncio.sleep(self._random.random() * 4)
        for each in self._server.all("nodenetworkconfigurationenactments"):
            if any(owner["uid"] == self._uid for owner in each["metadata"].get("ownerReferences", ())):
                self._server.delete(Place("nodenetworkconfigurationenactments", "", each["metadata"]["name"]))
        self.evict()

    @property
    def there(self) -> bool:
        """Whether it is still that very node."""
        found = self._server.objects.get(self._place.key)
        return found is not None and found["metadata"]["uid"] == self._uid

    @property
    def _place(self) -> Place:
        return Place("nodes", "", self.name)

    # --- Its handler --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The pod is there, if it was not, and the handler runs."""
        if not self._pod_names():
            self._pods += 1
            labels = {"component": "kubernetes-nmstate-handler"}
            name = f"{self._prefix}{self._pods}"
            body = {
                "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
                "spec": {"nodeName": self.name},
            }
            self._server.create(Place("pods", NAMESPACE, name), body)
        if self._handler is None or self._handler.done():
            self._handler = asyncio.create_task(self._handle())

    async def crash(self) -> None:
        """The handler is gone; the pod stays (its container is started anew by `start`)."""
        if self._handler is not None:
            self._handler.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._handler
            self._handler = None

    def evict(self) -> None:
        """The pod is gone, too."""
        for name in self._pod_names():
            self._server.delete(Place("pods", NAMESPACE, name))

    def _pod_names(self) -> list[str]:
        names = [each["metadata"]["name"] for each in self._server.all("pods")]
        return [name for name in names if name.startswith(self._prefix)]

    @property
    def _prefix(self) -> str:
        return f"{self.name}-{self._uid}-"

    async def _handle(self) -> None:
        """One enactment at a time, until nothing is left to do; then wait for news."""
        while True:
            news = self._server.news("nodenetworkconfigurationenactments")
            todo = next((each for each in self._mine() if _to_do(each)), None)
            if todo is None:
                await news.wait()
            else:
                await self._carry_out(todo)

    async def _carry_out(self, enactment: Json) -> None:
        """What a real handler writes, with the times that it may take."""
        draw = self._random.random
        await asyncio.sleep(draw() * 0.2)
        if not self._report(enactment, ["Progressing"], "ConfigurationProgressing"):
            return
        await asyncio.sleep(draw() * (8 if draw() < 0.2 else 2))
        if draw() < 0.1:
            if not self._report(enactment, ["Failing", "Progressing"], "Retrying"):
                return
            await asyncio.sleep(draw() * 5)
        if draw() < 0.08:
            self._report(enactment, ["Failing"], "FailedToConfigure")
        else:
            self._report(enactment, ["Available"], "SuccessfullyConfigured")

    def _mine(self) -> list[Json]:
        return [
            each
            for each in self._server.all("nodenetworkconfigurationenactments")
            if each["metadata"]["labels"]["nmstate.io/node"] == self.name
        ]

    def _report(self, enactment: Json, true: list[str], reason: str) -> bool:
        """Write the status if it is still that very enactment; whether it is."""
        place = Place("nodenetworkconfigurationenactments", "", enactment["metadata"]["name"])
        now = self._server.objects.get(place.key)
        if now is None or now["metadata"]["uid"] != enactment["metadata"]["uid"]:
            return False
        since = (START + timedelta(seconds=asyncio.get_running_loop().time())).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = {"reason": reason, "message": "so it is", "lastTransitionTime": since}
        conditions = [{"type": each, "status": str(each in true), **said} for each in _TYPES]
        status = {"conditions": conditions, POLICY_GENERATION: enactment["spec"][POLICY_GENERATION]}
        self._server.set_status(place, status)
        return True


def _to_do(enactment: Json) -> bool:
    """Whether the node is admitted to something that it has not ended."""
    admitted = enactment.get("spec", {}).get(POLICY_GENERATION)
    status = enactment.get("status", {})
    if admitted is None or (status.get(POLICY_GENERATION) or 0) > admitted:
        return False
    true = {each["type"] for each in status.get("conditions", ()) if each["status"] == "True"}
    ended = bool(true & {"Available", "Failing", "Aborted"}) and "Progressing" not in true
    return status.get(POLICY_GENERATION) != admitted or not ended
