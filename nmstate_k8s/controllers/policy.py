"""Brings a policy to its nodes: creates, admits, aborts and deletes enactments. Leader only.

When it looks is told in `policywatch`. What is to be done is decided by `nmstate_k8s.domain.enactment.rollout`; each
write names the version that the decision was made on, so that what changed meanwhile is looked at again instead of
being overwritten. Before anything is written the policy itself is read again: a watch that lags must not bring a node
what was taken back.
"""

from __future__ import annotations

__all__ = ["PolicyReconciler"]

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_conditions
from nmstate_k8s.api.meta import CONTROLLER_MANAGER, POLICY_UID_ANNOTATION
from nmstate_k8s.controllers.standing import own_enactments, standing_of
from nmstate_k8s.controllers.world import CONFIRM_WITHIN, World
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.controller import Result
from nmstate_k8s.core.errors import AlreadyExists, Conflict, CoreError, NotFound
from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import Store
from nmstate_k8s.domain.enactment.naming import enactment_labels, enactment_name
from nmstate_k8s.domain.enactment.rollout import Create, Hold, Plan, plan
from nmstate_k8s.domain.kinds import ENACTMENTS, POLICIES
from nmstate_k8s.domain.policy.facts import EnactmentFacts, PolicyFacts
from nmstate_k8s.domain.policy.facts import policy_facts as facts_of

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger(__name__)

WRITES_AT_ONCE = 16
WRITES_BEFORE_A_LOOK = 128
"""After so many the plan is made anew: in a large cluster nodes finish, and users edit, while it is carried out."""
WAITS_BEFORE_A_LOOK = 32
"""The same of nodes that are told to wait."""

LOOK_AGAIN = 1.0
"""Seconds in which the watch has told, as a rule, of what a plan did not know."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Planned:
    """What is to be done, and after how many seconds time alone may change that."""

    todo: Plan
    recheck_after: float | None


class PolicyReconciler:
    """Carries out the plan of each policy."""

    def __init__(self, client: Client, policies: Store, world: World) -> None:
        self._client = client
        self._policies = policies
        self._world = world

    async def reconcile(self, key: Key) -> Result | None:
        """One policy: plan, and write what the plan says."""
        await self._confirm(key.name)
        policy = self._policy(key)
        if policy is None:
            self._world.wait_for_others.discard(key.name)
            going = self._world.enactments(key.name)
            ending = self._world.ending(key.name, going)
            again = await self._each([each for each in going if each.uid not in ending.uids], self._delete)
            return Result(requeue_after=_soonest(again, ending.recheck_after))
        while True:
            planned = self._plan(policy)
            if planned.todo:
                policy = await self._as_it_is(policy)
                if policy is None:
                    return None  # gone or going: the watch will tell
                planned = self._plan(policy)
            with self._world.admitting(policy.name, planned.todo.admitted):
                again = await self._carry_out(policy, planned.todo)
            if again != 0.0 or planned.todo.delete:
                break  # all is written; or what comes next depends on what the watch has to tell
        unconfirmed = CONFIRM_WITHIN if self._world.unconfirmed(policy.name) else None
        return Result(requeue_after=_soonest(again, planned.recheck_after, unconfirmed))

    def _policy(self, key: Key) -> PolicyFacts | None:
        """The policy, unless it is gone or going."""
        obj = self._policies.get(key)
        policy = facts_of(obj) if obj else None
        return None if policy is None or policy.deleting else policy

    def _plan(self, policy: PolicyFacts) -> _Planned:
        """What is to be done, by all that is known now."""
        matching = self._world.matching(policy)
        enactments = own_enactments(policy, matching.nodes, self._world)
        standing = standing_of(policy, enactments, nodes=len(matching.nodes), now=self._client.clock.now())
        everything = self._world.enactments(policy.name)
        ending = self._world.ending(policy.name, (each for each in everything if each is not enactments.get(each.node)))
        todo = plan(
            generation=policy.generation,
            policy_uid=policy.uid,
            max_unavailable=policy.max_unavailable,
            nodes=matching.nodes,
            enactments=everything,
            ending=ending.uids,
            gate=standing,
            shared=self._world.shared(policy.name),
        )
        if todo.waits_for_others:
            self._world.wait_for_others.add(policy.name)
        else:
            self._world.wait_for_others.discard(policy.name)
        return _Planned(todo, _soonest(matching.recheck_after, standing.opens_in, ending.recheck_after))

    async def _as_it_is(self, policy: PolicyFacts) -> PolicyFacts | None:
        """The policy by the API server's word, not the cache's; None: gone or going."""
        try:
            read = facts_of(await self._client.get(POLICIES, policy.name))
        except NotFound:
            return None
        return None if read.deleting else read

    async def _confirm(self, policy: str) -> None:
        """Ask for what we wrote long ago and were never told of."""
        for facts, seconds in self._world.unconfirmed(policy):
            if seconds < CONFIRM_WITHIN:
                continue
            try:
                found: Object | None = await self._client.get(ENACTMENTS, facts.name)
            except NotFound:
                found = None
            log.info("enactment asked for", enactment=facts.name, silent_seconds=round(seconds), found=bool(found))
            self._world.confirm(facts, found)

    async def _carry_out(self, policy: PolicyFacts, todo: Plan) -> float | None:
        """The first writes of a plan, each about another enactment; in how many seconds to plan anew.

        None: not for this; 0: they went well, and some are left.

        Nodes that are to begin come before those that wait, which are told so a few at a time: others end meanwhile,
        and who begins at once costs its enactment two writes less than who was told to wait.
        """
        if not todo:
            return None
        log.info(
            "rollout goes on",
            generation=policy.generation,
            admit=todo.admitted,
            created=len(todo.create),
            held=len(todo.hold),
            aborted=[each.enactment.node for each in todo.abort],
            deleted=[each.node for each in todo.delete],
        )
        news: list[Callable[[], Awaitable[None]]] = [
            *(lambda each=each: self._delete(each) for each in todo.delete),
            *(lambda each=each: self._admit(policy, each) for each in todo.admit),
            *(lambda each=each: self._create(policy, each) for each in todo.create if each.admitted),
            *(
                lambda each=each: self._say(policy, each.enactment, EnactmentPhase.ABORTED, each.message)
                for each in todo.abort
            ),
        ]
        waits: list[Callable[[], Awaitable[None]]] = [
            *(lambda each=each: self._create(policy, each) for each in todo.create if not each.admitted),
            *(lambda each=each: self._hold(policy, each) for each in todo.hold),
        ]
        now = news[:WRITES_BEFORE_A_LOOK] or waits[:WAITS_BEFORE_A_LOOK]
        again = await self._each(now, lambda write: write())
        return again if again or len(now) == len(news) + len(waits) else 0.0

    # --- The writes -----------------------------------------------------------------------------------------------

    async def _create(self, policy: PolicyFacts, create: Create) -> None:
        """The enactment, owned by its Node alone; admitted by the same write, or told to wait."""
        node = create.node
        body: dict[str, Any] = {
            "metadata": {
                "name": enactment_name(node.name, policy.name),
                "labels": enactment_labels(node.name, policy.name),
                "annotations": {POLICY_UID_ANNOTATION: policy.uid},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}],
            }
        }
        if create.admitted:
            body["spec"] = _admission(policy)
        facts = self._world.wrote(await self._client.create(ENACTMENTS, body))
        if not create.admitted:
            await self._hold(policy, Hold(facts, create.message))

    async def _admit(self, policy: PolicyFacts, enactment: EnactmentFacts) -> None:
        """The node may begin, and here is what with."""
        metadata = {**_exactly(enactment), "annotations": {POLICY_UID_ANNOTATION: policy.uid}}
        body = {"metadata": metadata, "spec": _admission(policy)}
        self._world.wrote(await self._client.apply(ENACTMENTS, body, field_manager=CONTROLLER_MANAGER))

    async def _hold(self, policy: PolicyFacts, hold: Hold) -> None:
        """The node has to wait for its turn."""
        await self._say(policy, hold.enactment, EnactmentPhase.PENDING, hold.message)

    async def _say(self, policy: PolicyFacts, enactment: EnactmentFacts, phase: EnactmentPhase, message: str) -> None:
        """The status of an enactment whose node is not admitted; of an older generation nothing is kept."""
        now = self._client.clock.now()
        body = {
            "metadata": _exactly(enactment),
            "status": {
                "conditions": enactment_conditions(phase, message, now=now),
                "policyGeneration": policy.generation,
            },
        }
        manager = CONTROLLER_MANAGER
        self._world.wrote(await self._client.apply(ENACTMENTS, body, field_manager=manager, subresource="status"))

    async def _delete(self, enactment: EnactmentFacts) -> None:
        """The enactment goes; the node's network stays as it is. Not if the node has begun meanwhile."""
        version = enactment.resource_version if enactment.working else ""
        await self._client.delete(ENACTMENTS, enactment.name, uid=enactment.uid, resource_version=version)

    async def _each(self, items: Iterable[T], write: Callable[[T], Awaitable[None]]) -> float | None:
        """Some at once; in how many seconds to plan anew, because our knowledge was old. All else is raised.

        The watch brings what is new, but may count it as no reason to plan: somebody's label on an enactment.
        """
        gate = asyncio.Semaphore(WRITES_AT_ONCE)
        old = False

        async def one(item: T) -> CoreError | None:
            nonlocal old
            async with gate:
                try:
                    await write(item)
                except (AlreadyExists, Conflict, NotFound) as error:
                    log.debug("plan was made on old knowledge", error=str(error))
                    old = True
                except CoreError as error:
                    return error
            return None

        failed = [error for error in await asyncio.gather(*(one(item) for item in items)) if error]
        if failed:
            raise failed[0]
        return LOOK_AGAIN if old else None


def _admission(policy: PolicyFacts) -> dict[str, Any]:
    """The spec of an enactment: one generation, never a mixture of two."""
    said: dict[str, Any] = {
        "policyGeneration": policy.generation,
        "desiredState": policy.desired_state,
        "capture": policy.capture,
        "action": "Apply",
    }
    return said if policy.probes is None else {**said, "probes": policy.probes}


def _exactly(enactment: EnactmentFacts) -> dict[str, Any]:
    """That very version of that very object."""
    return {"name": enactment.name, "uid": enactment.uid, "resourceVersion": enactment.resource_version}


def _soonest(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)
