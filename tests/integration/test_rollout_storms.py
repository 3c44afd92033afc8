"""Rollouts in bad company, on a real API server; a checker looks on as one more client, at every version."""

import asyncio
import copy
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from nmstate_k8s.api.conditions import PolicyPhase
from nmstate_k8s.api.enactment import Enactment
from nmstate_k8s.apps.run_controller import managed
from nmstate_k8s.apps.settings import ControllerSettings
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import Invalid
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.rollout.watcher import watching, watching_beside
from tests.integration.players import Players
from tests.integration.rolloutkit import Cluster, until

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

PAGE = Path(__file__).parents[2] / "docs" / "rollout.md"
PATIENCE = 60.0


@pytest_asyncio.fixture
async def cluster(control_plane: ControlPlane, crds: list[str], client: Client) -> AsyncIterator[Cluster]:
    """Six nodes, without a controller."""
    cluster = Cluster(client, f"t{uuid.uuid4().hex[:8]}")
    await cluster.prepare()
    for letter in "abcdef":
        await cluster.add_node(f"{cluster.namespace}-{letter}")
    yield cluster
    await cluster.clean()


def nodes_of(cluster: Cluster) -> list[str]:
    """In the order of their names."""
    return [f"{cluster.namespace}-{letter}" for letter in "abcdef"]


@asynccontextmanager
async def two_controllers(plane: ControlPlane, namespace: str) -> AsyncIterator[None]:
    """Both replicas, one of which leads, until the block ends."""
    async with AsyncExitStack() as stack:
        for identity in ("left", "right"):
            settings = ControllerSettings(namespace, identity, health_address="", log_level="info")
            manager = managed(await stack.enter_async_context(Client(plane.config)), settings)
            task = asyncio.create_task(manager.run(signals=False))

            async def end(manager: Any = manager, task: "asyncio.Task[None]" = task) -> None:
                manager.stop()
                await task

            stack.push_async_callback(end)
        yield


async def at_work(players: Players) -> bool:
    """Whether some node is."""
    return bool(players.working)


async def test_twenty_edits_in_ten_seconds(control_plane: ControlPlane, cluster: Cluster) -> None:
    """The newest wins on every node; what came in between is skipped, and never two are mixed."""
    states = [{"interfaces": [{"name": "eth1", "type": "ethernet", "mtu": 1500 + number}]} for number in range(20)]
    async with (
        watching(cluster.client) as watcher,
        two_controllers(control_plane, cluster.namespace),
        Players(cluster, nodes_of(cluster), seconds=1.0).playing(),
    ):
        for state in states:
            await cluster.apply("storm", {"maxUnavailable": 2, "desiredState": state})
            await asyncio.sleep(0.5)
        await cluster.phase("storm", PolicyPhase.AVAILABLE, "6/6 nodes successfully configured", PATIENCE)
        for node in nodes_of(cluster):
            view = (await cluster.enactment(node, "storm")).view(Enactment)
            assert view.spec is not None
            assert view.spec.desired_state == states[-1]
    assert watcher.judged().admissions >= 6


async def test_a_policy_that_is_deleted_and_made_again_while_nodes_are_at_work(
    control_plane: ControlPlane, cluster: Cluster
) -> None:
    """Within a second, three times: nothing of the earlier one is taken for the later one's, and its nodes count."""
    state = {"interfaces": [{"name": "eth1", "type": "ethernet", "mtu": 9000}]}
    async with (
        watching(cluster.client) as watcher,
        two_controllers(control_plane, cluster.namespace),
        Players(cluster, nodes_of(cluster), seconds=3.0).playing() as players,
    ):
        for _ in range(3):
            await cluster.apply("again", {"maxUnavailable": 2})
            await until(lambda: at_work(players), "nodes are at work")
            await cluster.client.delete(POLICIES, "again")
        await cluster.apply("again", {"maxUnavailable": 2, "desiredState": state})
        await cluster.phase("again", PolicyPhase.AVAILABLE, "6/6 nodes successfully configured", PATIENCE)
        uid = (await cluster.client.get(POLICIES, "again")).uid
        for node in nodes_of(cluster):
            enactment = await cluster.enactment(node, "again")
            view = enactment.view(Enactment)
            assert enactment.metadata.annotations["nmstate.io/policy-uid"] == uid
            assert view.spec is not None
            assert view.spec.desired_state == state
    assert watcher.judged().admissions >= 6
    assert players.most <= 2


async def test_without_a_controller_nodes_finish_and_nothing_begins(
    control_plane: ControlPlane, cluster: Cluster
) -> None:
    """Both are gone in the middle of a rollout; it ends as it would have when one is back."""
    async with watching(cluster.client), Players(cluster, nodes_of(cluster)).playing() as players:
        async with two_controllers(control_plane, cluster.namespace):
            await cluster.apply("alone", {"maxUnavailable": 2})
            await cluster.admitted(nodes_of(cluster)[1], "alone")

        async def at_rest() -> bool:
            views = [each.view(Enactment) for each in (await cluster.client.list(ENACTMENTS)).items]
            admitted = [each for each in views if each.spec is not None]
            reported = [each for each in admitted if each.status.policy_generation is not None]
            return not players.working and bool(admitted) and len(reported) == len(admitted)

        await until(at_rest, "nodes have finished what they were admitted to")
        version = (await cluster.client.list(ENACTMENTS)).resource_version
        await cluster.apply("alone", {"maxUnavailable": 1, "desiredState": {"interfaces": []}})
        await cluster.set_ready(nodes_of(cluster)[5], False)
        changed = [
            each.name
            for each in (await cluster.client.list(ENACTMENTS)).items
            if int(each.metadata.resource_version) > int(version)
        ]
        assert changed == []
        async with two_controllers(control_plane, cluster.namespace):
            await cluster.phase("alone", PolicyPhase.AVAILABLE, "5/6 nodes successfully configured", PATIENCE)


async def test_a_canary_is_promoted_and_the_control_plane_goes_one_by_one(
    control_plane: ControlPlane, cluster: Cluster
) -> None:
    """Within the budget of all policies."""
    a, b, *_ = nodes_of(cluster)
    for node in (a, b):
        await cluster.label(node, **{"node-role.kubernetes.io/control-plane": ""})
    nmstate = {"metadata": {"name": cluster.namespace}, "spec": {"rollout": {"maxUnavailable": 3}}}
    await cluster.client.create(NMSTATES, nmstate)
    canary = {"maxUnavailable": "100%", "rollout": {"steps": [{"nodes": 1, "pause": {}}]}}
    try:
        async with (
            watching(cluster.client) as watcher,
            two_controllers(control_plane, cluster.namespace),
            Players(cluster, nodes_of(cluster)).playing(),
        ):
            await cluster.apply("canary", canary)
            await cluster.phase("canary", PolicyPhase.PROGRESSING, "1/6 nodes finished, paused at step 1 of 1")
            assert (await cluster.status("canary")).conditions[2].reason == "PausedAtStep"
            promoted = {"metadata": {"annotations": {"nmstate.io/rollout-promote": "1"}}}
            await cluster.client.merge_patch(POLICIES, "canary", promoted)
            status = await cluster.phase("canary", PolicyPhase.AVAILABLE, "6/6", PATIENCE)
            assert status.rollout is not None
            assert (status.rollout.matching, status.rollout.available, status.rollout.pending) == (6, 6, 0)
        assert watcher.judged().admissions == 6
    finally:
        await cluster.client.delete(NMSTATES, cluster.namespace)


async def test_a_watcher_beside_a_test_tells_of_a_broken_promise(control_plane: ControlPlane, cluster: Cluster) -> None:
    """From a thread of its own; here nobody but the test admits, and one node too many."""

    async def break_it() -> None:
        policy = await cluster.apply("broken", {"maxUnavailable": 1})
        desired = policy.to_dict()["spec"]["desiredState"]
        for node in nodes_of(cluster)[:2]:
            body = {
                "metadata": {
                    "name": f"{node}.broken",
                    "labels": {"nmstate.io/policy": "broken", "nmstate.io/node": node},
                    "annotations": {"nmstate.io/policy-uid": policy.uid},
                },
                "spec": {"policyGeneration": 1, "desiredState": desired},
            }
            await cluster.client.create(ENACTMENTS, body)

    def looking_on(loop: asyncio.AbstractEventLoop) -> None:
        with watching_beside(control_plane.config):
            asyncio.run_coroutine_threadsafe(break_it(), loop).result()

    with pytest.raises(AssertionError, match="limit"):
        await asyncio.to_thread(looking_on, asyncio.get_running_loop())


async def test_what_the_page_shows_is_what_the_api_server_takes(cluster: Cluster) -> None:
    """And a step that is none is refused, with words."""
    kinds = {"NodeNetworkConfigurationPolicy": POLICIES, "NMState": NMSTATES}
    shown = [yaml.safe_load(each) for each in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)]
    objects = [each for each in shown if "kind" in each]
    assert len(objects) == 2
    for body in objects:
        taken = await cluster.client.create(kinds[body["kind"]], copy.deepcopy(body), dry_run=True)
        assert taken.to_dict()["spec"] == body["spec"]
    policy = next(each for each in objects if each["kind"] == "NodeNetworkConfigurationPolicy")
    for step in (
        {},
        {"nodes": 1, "percent": 5},
        {"nodes": 0},
        {"percent": 101},
        {"nodes": 1, "pause": {"duration": "soon"}},
    ):
        body = copy.deepcopy(policy)
        body["spec"]["rollout"]["steps"] = [step]
        with pytest.raises(Invalid):
            await cluster.client.create(POLICIES, body, dry_run=True)
