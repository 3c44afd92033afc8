"""The cluster side on a real API server: a policy goes to its nodes, and its status tells how it stands."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.api.probes import Probes
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.events import EVENTS
from nmstate_k8s.domain.kinds import ENACTMENTS, NODES, POLICIES
from nmstate_k8s.domain.policy.facts import enactment_facts
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.rolloutkit import Cluster, controller, grant, until

pytestmark = pytest.mark.apiserver


@pytest_asyncio.fixture
async def bare(control_plane: ControlPlane, crds: list[str], client: Client) -> AsyncIterator[Cluster]:
    """A cluster of its own, without a controller."""
    cluster = Cluster(client, f"t{uuid.uuid4().hex[:8]}")
    await cluster.prepare()
    yield cluster
    await cluster.clean()


@pytest_asyncio.fixture
async def cluster(control_plane: ControlPlane, bare: Cluster) -> AsyncIterator[Cluster]:
    """A cluster whose controller runs, with the rights of its account and no others."""
    account = await grant(bare.client, bare.namespace)
    async with controller(control_plane.config_for(account), bare.namespace):
        yield bare


async def three(cluster: Cluster) -> list[str]:
    """Three nodes in the order of their names."""
    names = [f"{cluster.namespace}-{letter}" for letter in "abc"]
    for name in names:
        await cluster.add_node(name)
    return names


@pytest.mark.asyncio
async def test_a_policy_goes_to_its_nodes_one_after_the_other(cluster: Cluster) -> None:
    """Never two at once, as an independent watcher saw; Available when all are."""
    nodes = await three(cluster)
    async with cluster.watching("one") as watcher:
        await cluster.apply("one", {"maxUnavailable": 1})
        for number, node in enumerate(nodes):
            view = await cluster.admitted(node, "one")
            assert view.spec is not None
            assert view.spec.desired_state == {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up"}]}
            for later in nodes[number + 1 :]:
                await cluster.in_phase(later, "one", EnactmentPhase.PENDING)
            await cluster.phase("one", PolicyPhase.PROGRESSING, f"{number}/3 nodes finished")
            await cluster.report(node, "one", EnactmentPhase.PROGRESSING)
            await cluster.report(node, "one", EnactmentPhase.AVAILABLE)
        status = await cluster.phase("one", PolicyPhase.AVAILABLE, "3/3 nodes successfully configured")
    assert watcher.most == 1
    assert status.unavailable_node_count_map == {"1": 0}
    assert status.observed_generation == 1


@pytest.mark.asyncio
async def test_an_enactment_belongs_to_its_node_alone(cluster: Cluster) -> None:
    """Found by labels and owner reference, as consoles do."""
    await cluster.add_node(f"{cluster.namespace}-a")
    node = await cluster.client.get(NODES, f"{cluster.namespace}-a")
    await cluster.apply("owned")
    obj = await cluster.enactment(node.name, "owned")
    (owner,) = obj.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid) == ("Node", node.name, node.uid)
    assert obj.labels == {"nmstate.io/policy": "owned", "nmstate.io/node": node.name}


@pytest.mark.asyncio
async def test_a_failing_node_degrades_the_policy_soon_and_the_rest_aborts(cluster: Cluster) -> None:
    """Within two seconds, with an event on the policy; retrying is progress still."""
    nodes = await three(cluster)
    await cluster.apply("bad", {"maxUnavailable": 1})
    await cluster.admitted(nodes[0], "bad")
    await cluster.report(nodes[0], "bad", EnactmentPhase.RETRYING, "Retrying 2/5")
    await cluster.phase("bad", PolicyPhase.PROGRESSING, "0/3 nodes finished")
    await cluster.report(nodes[0], "bad", EnactmentPhase.FAILED, "interface eth666 does not exist")
    await cluster.phase("bad", PolicyPhase.DEGRADED, "1/3 nodes failed to configure", patience=2.0)
    for node in nodes[1:]:
        facts = await cluster.in_phase(node, "bad", EnactmentPhase.ABORTED)
        assert f"{nodes[0]}.bad" in facts.message
    status = await cluster.phase(
        "bad", PolicyPhase.DEGRADED, "1/3 nodes failed to configure, 2 nodes aborted configuration"
    )
    assert next(each for each in status.conditions if each.type == "Stalled").status == "True"

    async def told() -> bool:
        events = (await cluster.client.list(EVENTS, "default")).items
        said = [event.to_dict() for event in events]
        return any(
            each["reason"] == "ReconcileFailed"
            and each["type"] == "Warning"
            and each["regarding"]["name"] == "bad"
            and "eth666" in each["note"]
            for each in said
        )

    await until(told, "an event on the policy tells of the failure")


@pytest.mark.asyncio
async def test_an_edit_leaves_no_condition_of_the_old_generation_for_a_second(cluster: Cluster) -> None:
    """And the new generation goes to all nodes again."""
    nodes = await three(cluster)
    await cluster.apply("edited", {"maxUnavailable": "100%"})
    for node in nodes:
        await cluster.admitted(node, "edited")
        await cluster.report(node, "edited", EnactmentPhase.AVAILABLE)
    await cluster.phase("edited", PolicyPhase.AVAILABLE)
    edited = await cluster.apply("edited", {"maxUnavailable": 1, "desiredState": {"interfaces": []}})
    assert edited.metadata.generation == 2
    await cluster.phase("edited", PolicyPhase.PROGRESSING, "0/3 nodes finished", patience=1.0)
    for node in nodes:
        view = await cluster.admitted(node, "edited", generation=2)
        assert view.spec is not None
        assert view.spec.desired_state == {"interfaces": []}
        await cluster.report(node, "edited", EnactmentPhase.AVAILABLE)
    await cluster.phase("edited", PolicyPhase.AVAILABLE, "3/3")


@pytest.mark.asyncio
async def test_an_edit_moves_a_node_at_work_on_at_once_and_drops_what_the_old_one_said(cluster: Cluster) -> None:
    """It has its slot already; captures that are gone do not linger."""
    nodes = await three(cluster)
    await cluster.apply("moved", {"maxUnavailable": 1, "capture": {"old": 'interfaces.name=="eth1"'}})
    await cluster.admitted(nodes[0], "moved")
    await cluster.report(nodes[0], "moved", EnactmentPhase.PROGRESSING)
    new = {"capture": {"new": 'interfaces.name=="eth2"'}, "probes": {"timeoutSeconds": 12}}
    await cluster.apply("moved", {"maxUnavailable": 1, **new})
    view = await cluster.admitted(nodes[0], "moved", generation=2)
    assert view.spec is not None
    assert view.spec.capture == new["capture"]
    assert view.spec.probes == Probes(timeout_seconds=12)


@pytest.mark.asyncio
async def test_a_policy_that_matches_no_node_is_ignored_until_a_label_makes_it_match(cluster: Cluster) -> None:
    """And a label taken away takes the enactment with it."""
    nodes = await three(cluster)
    await cluster.apply("chosen", {"nodeSelector": {"zone": "x"}})
    await cluster.phase("chosen", PolicyPhase.IGNORED, "Policy does not match any node")
    await cluster.label(nodes[1], zone="x")
    await cluster.admitted(nodes[1], "chosen")
    await cluster.report(nodes[1], "chosen", EnactmentPhase.AVAILABLE)
    await cluster.phase("chosen", PolicyPhase.AVAILABLE, "1/1")
    await cluster.label(nodes[1], zone=None)
    await cluster.gone(nodes[1], "chosen")
    await cluster.phase("chosen", PolicyPhase.IGNORED)


@pytest.mark.asyncio
async def test_a_node_that_is_not_ready_is_passed_over_and_configured_when_it_is(cluster: Cluster) -> None:
    """The policy is Available without it, and says so."""
    ready, absent = f"{cluster.namespace}-a", f"{cluster.namespace}-b"
    await cluster.add_node(ready)
    await cluster.add_node(absent, ready=False)
    await cluster.apply("patient", {"maxUnavailable": 1})
    await cluster.admitted(ready, "patient")
    await cluster.report(ready, "patient", EnactmentPhase.AVAILABLE)
    await cluster.phase(
        "patient",
        PolicyPhase.AVAILABLE,
        "1/2 nodes successfully configured, 1 nodes ignored due to NotReady state",
    )
    await cluster.in_phase(absent, "patient", EnactmentPhase.PENDING)
    await cluster.set_ready(absent, True)
    await cluster.admitted(absent, "patient")
    await cluster.phase("patient", PolicyPhase.PROGRESSING, "1/2 nodes finished")
    await cluster.report(absent, "patient", EnactmentPhase.AVAILABLE)
    await cluster.phase("patient", PolicyPhase.AVAILABLE, "2/2")


@pytest.mark.asyncio
async def test_a_node_without_a_handler_gets_no_enactment_until_it_has_one(cluster: Cluster) -> None:
    """Nobody would carry it out."""
    node = f"{cluster.namespace}-a"
    await cluster.add_node(node, handler=False)
    await cluster.apply("handled")
    await cluster.phase("handled", PolicyPhase.IGNORED)
    await cluster.add_handler(node)
    await cluster.admitted(node, "handled")


@pytest.mark.asyncio
async def test_a_node_deleted_at_work_frees_its_slot(cluster: Cluster) -> None:
    """The next one is admitted within five seconds."""
    nodes = await three(cluster)
    await cluster.apply("slot", {"maxUnavailable": 1})
    await cluster.admitted(nodes[0], "slot")
    await cluster.delete_node(nodes[0])
    async with asyncio.timeout(5):
        await cluster.admitted(nodes[1], "slot")
    await cluster.gone(nodes[0], "slot")


@pytest.mark.asyncio
async def test_a_deleted_policy_takes_its_enactments_along_and_its_successor_begins_anew(cluster: Cluster) -> None:
    """Generation 1 of another policy is another generation 1."""
    node = f"{cluster.namespace}-a"
    await cluster.add_node(node)
    await cluster.apply("again")
    await cluster.admitted(node, "again")
    await cluster.report(node, "again", EnactmentPhase.AVAILABLE)
    await cluster.phase("again", PolicyPhase.AVAILABLE)
    first = await cluster.enactment(node, "again")
    await cluster.client.delete(POLICIES, "again")
    await cluster.apply("again")

    async def renewed() -> bool:
        names = {each.name: each for each in (await cluster.client.list(ENACTMENTS)).items}
        now = names.get(first.name)
        return now is not None and now.uid != first.uid and enactment_facts(now).admitted == 1

    await until(renewed, "the enactment is another one")
    await cluster.phase("again", PolicyPhase.PROGRESSING, "0/1")
    await cluster.client.delete(POLICIES, "again")
    await cluster.gone(node, "again")


@pytest.mark.asyncio
async def test_another_controller_takes_over_without_losing_or_giving_a_slot(
    control_plane: ControlPlane, bare: Cluster
) -> None:
    """There is nothing to take over: the enactments say it all, also that their policy is gone."""
    async with bare.watching("heir") as watcher:
        async with controller(control_plane.config, bare.namespace):
            nodes = await three(bare)
            await bare.apply("heir", {"maxUnavailable": 1})
            await bare.apply("orphaned")
            await bare.admitted(nodes[0], "heir")
            await bare.enactment(nodes[0], "orphaned")
        await bare.client.delete(POLICIES, "orphaned")
        await bare.report(nodes[0], "heir", EnactmentPhase.PROGRESSING)
        async with controller(control_plane.config, bare.namespace):
            await bare.gone(nodes[0], "orphaned")
            await bare.report(nodes[0], "heir", EnactmentPhase.AVAILABLE)
            await bare.admitted(nodes[1], "heir")
    assert watcher.most == 1
