"""The node's reconciler of enactments, with an API server in memory and scripted transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_phase
from nmstate_k8s.api.enactment import Enactment, EnactmentStatus
from nmstate_k8s.api.model import to_json
from nmstate_k8s.controllers.enactment import EnactmentReconciler, Node
from nmstate_k8s.core.controller import Result
from nmstate_k8s.core.errors import NotFound, Unavailable
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import MutableStore
from nmstate_k8s.domain.host.fault import Fault
from nmstate_k8s.domain.host.journal import Interrupted
from nmstate_k8s.domain.host.outcome import Outcome
from nmstate_k8s.domain.host.prepare import Prepared
from nmstate_k8s.domain.host.probes.plan import ProbePlan
from nmstate_k8s.domain.host.requests import Task
from nmstate_k8s.domain.host.retries import Retries
from nmstate_k8s.domain.kinds import ENACTMENTS
from nmstate_k8s.testing.clock import LoopClock

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]
KEY = Key("", "n1.p1")
GOOD = Outcome("t", prepared=Prepared(b'{"interfaces":[]}', {}, ("static-ip",)), touched=True)
BAD = Outcome("t", fault=Fault("apply", "VerificationError", "odd"), touched=True, rollback_seconds=1.0)


class Cluster:
    """One enactment, its API server, its node's transactions."""

    def __init__(self) -> None:
        self.enactment: dict[str, Any] | None = None
        self.store = MutableStore()
        self.outcomes: list[Outcome] = []
        self.tasks: list[Task] = []
        self.true = True
        self.phases: list[EnactmentPhase | None] = []
        self.statuses: list[EnactmentStatus] = []
        self.write_failures: list[Exception] = []
        self.interruptions: dict[str, Interrupted] = {}
        self.during: Callable[[], None] = lambda: None

    def say(self, generation: int | None, *, uid: str = "u1", **status: Any) -> None:
        """The controller writes the enactment."""
        body: dict[str, Any] = {
            "metadata": {
                "name": KEY.name,
                "uid": uid,
                "labels": {"nmstate.io/policy": "p1", "nmstate.io/node": "n1"},
                "annotations": {"nmstate.io/policy-uid": "p-uid"},
            },
            "status": status,
        }
        if generation is not None:
            body["spec"] = {"policyGeneration": generation, "desiredState": {"interfaces": []}}
        self.enactment = body
        self.cache()

    def cache(self) -> None:
        """The informer catches up."""
        if self.enactment is not None:
            self.store.put(Object.from_dict(self.enactment, ENACTMENTS))

    async def read(self, name: str) -> Object:
        if self.enactment is None:
            raise NotFound("gone", status=404)
        return Object.from_dict(self.enactment, ENACTMENTS)

    async def write(self, enactment: Object, status: EnactmentStatus) -> None:
        if self.write_failures:
            raise self.write_failures.pop(0)
        if self.enactment is None:
            raise NotFound("gone", status=404)
        self.enactment = {**self.enactment, "status": msgspec.to_builtins(to_json(status))}
        self.statuses.append(status)
        self.phases.append(enactment_phase(status.conditions))

    async def run(self, task: Task) -> Outcome:
        self.tasks.append(task)
        self.during()
        return self.outcomes.pop(0)

    async def holds(self, task: Task) -> bool:
        return self.true

    def interrupted(self, transaction_id: str) -> Interrupted | None:
        return self.interruptions.get(transaction_id)

    async def told(self, transaction_id: str) -> None:
        self.interruptions.pop(transaction_id, None)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def handler(cluster: Cluster) -> Callable[[], EnactmentReconciler]:
    """A handler that has just started."""
    made: Any = cluster

    def start(boot: str = "b1", **retries: Any) -> EnactmentReconciler:
        return EnactmentReconciler(
            node=Node("n1", boot),
            store=cluster.store,
            writer=made,
            transactions=made,
            clock=LoopClock(),
            retries=Retries(**retries),
        )

    return start


async def test_an_admitted_policy_is_seen_progressing_then_available(cluster: Cluster, handler: Any) -> None:
    """A watcher sees Progressing before anything is changed."""
    cluster.say(2)
    cluster.outcomes = [GOOD]
    cluster.during = lambda: cluster.phases.append(None)
    reconciler = handler()
    assert await reconciler.reconcile(KEY) is None
    assert cluster.phases == [EnactmentPhase.PROGRESSING, None, EnactmentPhase.AVAILABLE]
    assert cluster.statuses[-1].policy_generation == 2
    assert cluster.statuses[-1].boot_id == "b1"
    cluster.cache()
    await reconciler.reconcile(KEY)
    assert len(cluster.tasks) == 1


async def test_a_policy_says_how_long_its_probes_may_take(cluster: Cluster, handler: Any) -> None:
    """And where it says nothing, the node's settings do."""
    cluster.outcomes = [GOOD, GOOD]
    reconciler = handler()
    reconciler.probes = ProbePlan(total_seconds=90.0)
    for generation, probes, seconds in ((2, {"timeoutSeconds": 12}, 12.0), (3, {}, 90.0)):
        cluster.say(generation)
        assert cluster.enactment is not None
        cluster.enactment["spec"]["probes"] = probes
        cluster.cache()
        await reconciler.reconcile(KEY)
        assert cluster.tasks[-1].probes.total_seconds == seconds


async def test_without_admission_nothing_is_done(cluster: Cluster, handler: Any) -> None:
    """The controller decides when."""
    cluster.say(None)
    assert await handler().reconcile(KEY) is None
    assert cluster.phases == []


async def test_a_failure_is_tried_again_after_its_delay_and_no_earlier(cluster: Cluster, handler: Any) -> None:
    """Whatever calls the reconciler meanwhile; another generation need not wait."""
    cluster.say(2)
    cluster.outcomes = [BAD, BAD]
    reconciler = handler(attempts=2)
    assert await reconciler.reconcile(KEY) == Result(requeue_after=1.0)
    assert cluster.phases[-1] is EnactmentPhase.RETRYING
    cluster.cache()
    early = await reconciler.reconcile(KEY)
    assert early is not None
    assert early.requeue_after == pytest.approx(1.0)
    assert len(cluster.tasks) == 1
    await asyncio.sleep(1.0)
    assert await reconciler.reconcile(KEY) is None
    assert cluster.phases[-1] is EnactmentPhase.FAILED
    assert cluster.statuses[-1].retry_count == {"2": 2}
    cluster.cache()
    await handler().reconcile(KEY)
    assert len(cluster.tasks) == 2, "a final failure is not tried again by a restart"


async def test_attempts_are_counted_on_the_servers_word_not_on_the_caches(cluster: Cluster, handler: Any) -> None:
    """The informer may be behind after a change of the network."""
    cluster.say(2)
    cluster.outcomes = [BAD, BAD, BAD]
    reconciler = handler(attempts=2, first_delay=0.0)
    await reconciler.reconcile(KEY)
    await reconciler.reconcile(KEY)
    await reconciler.reconcile(KEY)
    assert len(cluster.tasks) == 2
    assert cluster.statuses[-1].retry_count == {"2": 2}


async def test_a_new_generation_does_not_wait_for_the_old_ones_delay(cluster: Cluster, handler: Any) -> None:
    """An edit is tried at once, with its own count."""
    cluster.say(2)
    cluster.outcomes = [BAD, GOOD]
    reconciler = handler(first_delay=30.0)
    await reconciler.reconcile(KEY)
    cluster.enactment = {**(cluster.enactment or {}), "spec": {"policyGeneration": 3, "desiredState": {}}}
    cluster.cache()
    assert await reconciler.reconcile(KEY) is None
    assert cluster.tasks[-1].generation == 3
    assert cluster.statuses[-1].retry_count == {}


async def test_a_restarted_handler_leaves_what_is_true_alone(cluster: Cluster, handler: Any) -> None:
    """No write, no transaction; but what is not true any more is made so, visibly."""
    cluster.say(2)
    cluster.outcomes = [GOOD, GOOD]
    await handler().reconcile(KEY)
    cluster.cache()
    written = len(cluster.phases)
    await handler().reconcile(KEY)
    assert len(cluster.phases) == written
    assert len(cluster.tasks) == 1
    cluster.true = False
    await handler().reconcile(KEY)
    assert cluster.phases[written:] == [EnactmentPhase.PROGRESSING, EnactmentPhase.AVAILABLE]


async def test_after_a_reboot_it_passes_through_progressing_again(cluster: Cluster, handler: Any) -> None:
    """Also where nothing changed: scripts wait for a transition newer than the reboot."""
    cluster.say(2)
    cluster.outcomes = [GOOD, GOOD]
    await handler().reconcile(KEY)
    cluster.cache()
    await handler(boot="b2").reconcile(KEY)
    assert cluster.phases[2:] == [EnactmentPhase.PROGRESSING, EnactmentPhase.AVAILABLE]
    assert cluster.statuses[-1].boot_id == "b2"


async def test_a_result_that_cannot_be_told_is_told_later_and_nothing_done_twice(
    cluster: Cluster, handler: Any
) -> None:
    """The API server is away just after the apply."""
    cluster.say(2)
    cluster.outcomes = [GOOD]
    cluster.during = lambda: cluster.write_failures.append(Unavailable("away"))
    reconciler = handler()
    with pytest.raises(Unavailable):
        await reconciler.reconcile(KEY)
    assert await reconciler.reconcile(KEY) is None
    assert len(cluster.tasks) == 1
    assert cluster.phases == [EnactmentPhase.PROGRESSING, EnactmentPhase.AVAILABLE]


async def test_nothing_begins_unless_progressing_is_written(cluster: Cluster, handler: Any) -> None:
    """Otherwise a node might change and nobody know why."""
    cluster.say(2)
    cluster.write_failures = [Unavailable("away")]
    with pytest.raises(Unavailable):
        await handler().reconcile(KEY)
    assert cluster.tasks == []


async def test_an_enactment_deleted_during_its_transaction_is_forgotten(cluster: Cluster, handler: Any) -> None:
    """Its result has nobody to be told to."""
    cluster.say(2)
    cluster.outcomes = [GOOD]

    def delete() -> None:
        cluster.enactment = None

    cluster.during = delete
    reconciler = handler()
    assert await reconciler.reconcile(KEY) is None
    cluster.store.remove(KEY)
    assert await reconciler.reconcile(KEY) is None


async def test_another_enactment_of_the_same_name_inherits_nothing(cluster: Cluster, handler: Any) -> None:
    """A policy deleted and made anew under the same name begins from the start."""
    cluster.say(1)
    cluster.outcomes = [BAD, GOOD]
    reconciler = handler(first_delay=30.0)
    await reconciler.reconcile(KEY)
    cluster.say(1, uid="u2")
    assert await reconciler.reconcile(KEY) is None
    assert cluster.phases[-1] is EnactmentPhase.AVAILABLE


async def test_the_status_is_one_that_can_be_read_again(cluster: Cluster, handler: Any) -> None:
    """Through JSON and back."""
    cluster.say(2)
    cluster.outcomes = [BAD]
    await handler().reconcile(KEY)
    view = Object.from_dict(cluster.enactment or {}, ENACTMENTS).view(Enactment)
    assert view.status.failure is not None
    assert view.status.failure.stage == "apply"


async def test_a_secret_of_the_policy_is_in_no_status(
    cluster: Cluster, handler: Callable[[], EnactmentReconciler]
) -> None:
    """Not in the state that is shown before the transaction, nor in what it failed with."""
    cluster.say(1)
    assert cluster.enactment is not None
    login = {"name": "eth1", "802.1x": {"password": "hunter2"}}
    cluster.enactment["spec"]["desiredState"] = {"interfaces": [login]}
    cluster.cache()
    cluster.outcomes = [Outcome("t", fault=Fault("apply", "Bug", "bad: hunter2", details="hunter2", lasting=True))]
    await handler().reconcile(KEY)
    assert len(cluster.statuses) == 2
    assert "hunter2" not in msgspec.json.encode(cluster.statuses).decode()
    assert cluster.tasks[0].desired["interfaces"] == [login]


async def test_an_attempt_that_its_handler_did_not_live_to_end_is_told_and_counted(
    cluster: Cluster, handler: Callable[..., EnactmentReconciler]
) -> None:
    """The first thing that the next handler does about it; exhausted, the generation is never tried again."""
    cluster.say(3)
    first = handler()
    cluster.during = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        await first.reconcile(KEY)
    cluster.cache()
    transaction = cluster.statuses[-1].transaction_id
    cluster.interruptions[transaction] = Interrupted(transaction, "boot")
    second = handler("b2", attempts=1)
    assert await second.reconcile(KEY) is None
    told = cluster.statuses[-1]
    assert cluster.phases[-1] is EnactmentPhase.FAILED
    assert told.retry_count == {"3": 1}
    assert told.failure is not None
    assert told.failure.reason == "PowerCut"
    text = next(condition.message for condition in told.conditions if condition.type == "Failing")
    assert text.startswith("Error: node n1: interrupted: the power was cut, or the node was reset, during the apply")
    assert "restored at boot" in text
    assert cluster.interruptions == {}
    cluster.cache()
    assert await handler("b2", attempts=1).reconcile(KEY) is None
    assert len(cluster.tasks) == 1
