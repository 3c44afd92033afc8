"""One simulated rollout: the real controllers on virtual time, over a model of the API server, with all that happens.

`simulate(seed)` draws a cluster and a history by the seed: policies that are edited, deleted and made anew; nodes
that join, leave, are relabelled, turn NotReady, are deleted at work; handlers that crash and are replaced;
controllers that are killed before and after a write, stopped, frozen, cut off. Then quiet returns, and the whole
history is checked version by version, and where it ended.

The same seed gives the same history where Python's hashes do (PYTHONHASHSEED). Run it on a loop whose time is
virtual.
"""

from __future__ import annotations

import asyncio
import random as shared_random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from nmstate_k8s.testing.rollout import draws
from nmstate_k8s.testing.rollout.apimodel import ApiModel, Place
from nmstate_k8s.testing.rollout.checker import Checker
from nmstate_k8s.testing.rollout.nodes import NAMESPACE, SimulatedNode
from nmstate_k8s.testing.rollout.replica import LEASE, Replica
from nmstate_k8s.testing.rollout.rest import unrest

__all__ = ["Outcome", "Simulation", "simulate"]

KINDS: Final = {
    "nodes": "Node",
    "pods": "Pod",
    "nodenetworkconfigurationpolicies": "NodeNetworkConfigurationPolicy",
    "nodenetworkconfigurationenactments": "NodeNetworkConfigurationEnactment",
    "nmstates": "NMState",
}
QUIET = 75.0
"""Seconds without a change after which it is at rest: longer than anything that the controller waits for."""
PATIENCE = 900.0
LAG = 5.0
"""How old the news may be that a controller acts on, in seconds: a link's lag, and some retries."""
LAG_CUT_OFF = 15.0
"""The same where one was cut off or frozen: it leads on with what it knew for as long as it need not renew its lease
(10 s), and then hears late."""


@dataclass
class Outcome:
    """What came of a simulated rollout."""

    seed: int
    versions: int = 0
    admissions: int = 0
    deeds: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Simulation:
    """The cluster of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.outcome = Outcome(seed)
        self.loop = asyncio.get_running_loop()
        self.server = ApiModel(self.loop.time)
        self.timed = self.random.random() < 0.5
        self.replicas = [Replica(self.server, name, self.random, skewed=not self.timed) for name in ("left", "right")]
        self.nodes: dict[str, SimulatedNode] = {}
        self.later: set[asyncio.Task[None]] = set()
        self.told_all_the_time = True

    async def run(self) -> Outcome:
        """Some deeds, one after the other; then quiet; then the judgement."""
        draw = self.random
        for _ in range(draw.randint(1, 7)):
            await self.join()
        for replica in self.replicas:
            replica.start()
        for _ in range(draw.randint(1, 2)):
            await self.edit()
        for _ in range(draw.randint(3, 25)):
            await asyncio.sleep(draw.choice((0.01, 0.1, 0.5, 2, 6)) * draw.random())
            deed = draw.choices(DEEDS, WEIGHTS)[0]
            self.outcome.deeds.append(f"{self.loop.time():.2f} {deed.__name__}")
            await deed(self)
        await self.quiet()
        self.judge()
        await self.end()
        return self.outcome

    def soon(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Do it at some moment within so many seconds."""

        async def wait() -> None:
            await asyncio.sleep(self.random.random() * seconds)
            await work()

        task = asyncio.create_task(wait())
        self.later.add(task)
        task.add_done_callback(self.later.discard)

    # --- Users ------------------------------------------------------------------------------------------------

    async def edit(self) -> None:
        """kubectl apply: a policy comes to be, or says something else."""
        draw = self.random
        name = draw.choice(("p", "p", "q"))
        place = Place("nodenetworkconfigurationpolicies", "", name)
        spec = draws.policy_spec(draw, timed=self.timed)
        before = self.server.objects.get(place.key)
        if before is None:
            self.server.create(place, {"metadata": {"name": name}, "spec": spec})
        else:
            self.server.merge(place, {"spec": {**dict.fromkeys(before["spec"]), **spec}})

    async def delete(self) -> None:
        """A policy goes; often another one of its name comes at once."""
        found = self.server.all("nodenetworkconfigurationpolicies")
        if found:
            gone = self.random.choice(found)
            name = gone["metadata"]["name"]
            place = Place("nodenetworkconfigurationpolicies", "", name)
            self.server.delete(place)
            if self.random.random() < 0.7:
                await asyncio.sleep(self.random.random())
                self.server.create(place, {"metadata": {"name": name}, "spec": gone["spec"]})

    async def speak(self) -> None:
        """kubectl annotate: promote, pause, resume, abort."""
        found = self.server.all("nodenetworkconfigurationpolicies")
        if found:
            metadata = self.random.choice(found)["metadata"]
            said = draws.words(self.random, metadata["generation"])
            place = Place("nodenetworkconfigurationpolicies", "", metadata["name"])
            self.server.merge(place, {"metadata": {"annotations": said}})

    async def share(self) -> None:
        """The budget of all policies changes."""
        place = Place("nmstates", "", "nmstate")
        spec = draws.budget(self.random)
        if place.key in self.server.objects:
            self.server.merge(place, {"spec": spec})
        else:
            self.server.create(place, {"metadata": {"name": "nmstate"}, "spec": spec})

    # --- Nodes ------------------------------------------------------------------------------------------------

    async def join(self) -> None:
        name = f"n{self.random.randint(0, 9)}"
        if name in self.nodes:
            return
        node = self.nodes[name] = SimulatedNode(self.server, name, self.random)
        role = {"node-role.kubernetes.io/control-plane": ""} if self.random.random() < 0.3 else {}
        node.join({"zone": self.random.choice("xy"), **role}, ready=self.random.random() < 0.9)

        async def handler() -> None:
            if node.there:
                node.start()

        self.soon(handler, 2)

    async def leave(self) -> None:
        if self.nodes:
            name = self.random.choice(sorted(self.nodes))
            self.soon(self.nodes.pop(name).leave, 0)

    def _some(self) -> SimulatedNode | None:
        return self.nodes[self.random.choice(sorted(self.nodes))] if self.nodes else None

    async def relabel(self) -> None:
        if (node := self._some()) is not None:
            node.label({"zone": self.random.choice(("x", "y", None))})

    async def turn(self) -> None:
        """A node is no longer Ready, or is again."""
        if (node := self._some()) is not None:
            node.set_ready(self.random.random() < 0.5)

    async def crash_handler(self) -> None:
        """It comes back; sometimes as another pod, and then later."""
        if (node := self._some()) is None:
            return
        await node.crash()
        replaced = self.random.random() < 0.4
        if replaced:
            node.evict()

        async def again() -> None:
            if node.there:
                node.start()

        self.soon(again, 90 if replaced else 10)

    # --- Controllers --------------------------------------------------------------------------------------------

    async def kill_controller(self) -> None:
        """Before or after one of its next writes; or in the middle of nothing."""
        replica = self.random.choice(self.replicas)
        if not replica.alive or replica.link is None:
            return
        if self.random.random() < 0.7:
            replica.link.sever_at_write(self.random.randint(1, 6), after=self.random.random() < 0.5)
        else:
            await replica.kill()
        self.soon(self._revive, 15)

    async def stop_controller(self) -> None:
        await self.random.choice(self.replicas).stop()
        self.soon(self._revive, 5)

    async def cut_off_controller(self) -> None:
        replica = self.random.choice(self.replicas)
        if replica.alive and replica.link is not None:
            self.told_all_the_time = False
            replica.link.away(self.random.random() * 30)

    async def freeze_controller(self) -> None:
        """SIGSTOP and, perhaps long after another one began to lead, SIGCONT."""
        replica = self.random.choice(self.replicas)
        if replica.alive and replica.link is not None:
            self.told_all_the_time = False
            replica.link.freeze(self.random.choice((3, 12, 20, 60)) * self.random.random())

    async def delete_lease(self) -> None:
        """Where all controllers knew that there is one; none starts meanwhile."""
        place = Place("leases", NAMESPACE, LEASE)
        lives = [each.life for each in self.replicas]
        await asyncio.sleep(10)
        same = lives == [each.life for each in self.replicas] and all(each.alive for each in self.replicas)
        if same and place.key in self.server.objects:
            self.server.delete(place)
            await asyncio.sleep(35)

    async def _revive(self) -> None:
        for replica in self.replicas:
            if not replica.alive:
                replica.start()

    # --- The end ------------------------------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Everybody is back, and nothing happens any more."""
        if not self.told_all_the_time:
            await asyncio.sleep(70)  # longer than a controller is cut off or frozen
        while self.later:
            for done in (await asyncio.wait(self.later))[0]:
                done.result()
        await self._revive()
        for node in self.nodes.values():
            if node.there:
                node.start()
        since = self.loop.time()
        deadline = since + PATIENCE
        while self.loop.time() - max(since, self._last_change()) < QUIET:
            if self.loop.time() > deadline:
                self.outcome.broken.append(f"it does not come to rest within {PATIENCE:g} s")
                return
            await asyncio.sleep(5)
            await self._revive()  # one whose link was to be cut at a write may have come to that only now

    def _last_change(self) -> float:
        changes = (each.at for each in reversed(self.server.history) if each.plural in KINDS)
        return next(changes, 0.0)

    def judge(self) -> None:
        """The whole history, and its end."""
        checker = Checker(lag=LAG if self.told_all_the_time else LAG_CUT_OFF)
        for each in self.server.history:
            if each.plural in KINDS:
                checker.see(KINDS[each.plural], each.what, each.object, each.at)
        self.outcome.versions = len(self.server.history)
        self.outcome.admissions = checker.admissions
        self.outcome.broken += [str(each) for each in checker.violations]
        self.outcome.broken += unrest(checker, self.loop.time())

    async def end(self) -> None:
        for replica in self.replicas:
            await replica.kill()
        for node in self.nodes.values():
            await node.crash()


DEEDS: Final[tuple[Callable[[Simulation], Awaitable[None]], ...]] = (
    Simulation.edit,
    Simulation.delete,
    Simulation.join,
    Simulation.leave,
    Simulation.relabel,
    Simulation.turn,
    Simulation.crash_handler,
    Simulation.kill_controller,
    Simulation.stop_controller,
    Simulation.cut_off_controller,
    Simulation.freeze_controller,
    Simulation.delete_lease,
    Simulation.speak,
    Simulation.share,
)
WEIGHTS: Final = (6, 2, 3, 3, 3, 4, 3, 3, 1, 1, 2, 1, 4, 1)


async def simulate(seed: int) -> Outcome:
    """One rollout, from the first node to its end."""
    shared_random.seed(seed)  # the jitter of our own code
    return await Simulation(seed).run()
