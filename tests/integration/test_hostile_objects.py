"""Objects that the API server takes and no reader expects: who writes one stops nothing but what is his own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import pytest
import pytest_asyncio

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.domain.kinds import ENACTMENTS, NODE_STATES, POLICIES
from nmstate_k8s.testing.apiserver import ControlPlane
from tests.integration.rolloutkit import Cluster, controller, grant

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

LEVELS = 2_000
"""Twice as many as Python reads by itself. The API server takes five times as many (tried with 9,900), but each such
write costs it seconds: its work grows with the square of the levels. `tests/core/test_nesting.py` goes to the end.
"""
DEEP = msgspec.Raw(b'{"a":' * LEVELS + b"1" + b"}" * LEVELS)
NO_TIME = "2026-01-01T00:00:00+99:00"
"""Taken by the API server as a date-time."""


@pytest_asyncio.fixture
async def cluster(control_plane: ControlPlane, crds: list[str], client: Client) -> AsyncIterator[Cluster]:
    """Two nodes with handlers, and no controller yet."""
    cluster = Cluster(client, f"t{uuid.uuid4().hex[:8]}")
    await cluster.prepare()
    for letter in "ab":
        await cluster.add_node(f"{cluster.namespace}-{letter}")
    yield cluster
    with suppress(NotFound):
        await client.delete(NODE_STATES, f"{cluster.namespace}-a")
    await cluster.clean()


async def write_hostile(cluster: Cluster) -> None:
    """What a node may write of itself, and somebody who may write policies."""
    client, node = cluster.client, f"{cluster.namespace}-a"
    await client.create(NODE_STATES, {"metadata": {"name": node}})
    await client.merge_patch(NODE_STATES, node, {"status": {"currentState": DEEP}}, subresource="status")
    await cluster.apply("deep", {"desiredState": DEEP, "maxUnavailable": "9" * 5_000 + "%"})
    endless = {"steps": [{"nodes": 1, "pause": {"duration": "9" * 31 + "h"}}], "soakSeconds": 2**63 - 1}
    await cluster.apply("endless", {"rollout": endless, "progressDeadlineSeconds": 2**63 - 1})
    annotated = {"metadata": {"annotations": {"nmstate.io/rollout-promote": "1" * 5_000}}}
    await client.merge_patch(POLICIES, "endless", annotated)


@pytest.mark.parametrize("first", ["objects", "controller"])
async def test_others_are_served_as_ever(control_plane: ControlPlane, cluster: Cluster, first: str) -> None:
    """Whether the controller lists these objects, or watches them come; their own policies are served, too."""
    a, b = (f"{cluster.namespace}-{letter}" for letter in "ab")
    account = await grant(cluster.client, cluster.namespace)
    if first == "objects":
        await write_hostile(cluster)
    async with controller(control_plane.config_for(account), cluster.namespace):
        if first == "controller":
            await cluster.apply("before")
            await cluster.admitted(a, "before")
            await write_hostile(cluster)
        await cluster.apply("calm", {"maxUnavailable": 2})
        for node in (a, b):
            await cluster.admitted(node, "calm")
            await cluster.report(node, "calm", EnactmentPhase.AVAILABLE)
        await cluster.phase("calm", PolicyPhase.AVAILABLE, "2/2 nodes successfully configured")
        await cluster.admitted(a, "deep")
        await cluster.report(a, "endless", EnactmentPhase.AVAILABLE)
        await cluster.phase("endless", PolicyPhase.PROGRESSING, "paused at step 1 of 1 until 2")


async def test_a_status_without_sense_holds_a_slot_until_it_goes_and_no_longer(
    control_plane: ControlPlane, cluster: Cluster
) -> None:
    """The node is one that is silent; without it the rollout goes on."""
    a, b = (f"{cluster.namespace}-{letter}" for letter in "ab")
    account = await grant(cluster.client, cluster.namespace)
    async with controller(control_plane.config_for(account), cluster.namespace):
        await cluster.apply("one", {"maxUnavailable": 1})
        await cluster.admitted(a, "one")
        nonsense = {"conditions": [{"type": "Available", "status": "True", "lastTransitionTime": NO_TIME}]}
        status = {"status": {**nonsense, "policyGeneration": 1}}
        await cluster.client.merge_patch(ENACTMENTS, f"{a}.one", status, subresource="status")
        await cluster.phase("one", PolicyPhase.PROGRESSING, "0/2 nodes finished")
        await cluster.in_phase(b, "one", EnactmentPhase.PENDING)
        await cluster.label(a, lab=None)
        await cluster.admitted(b, "one")
        await cluster.report(b, "one", EnactmentPhase.AVAILABLE)
        await cluster.phase("one", PolicyPhase.AVAILABLE, "1/1 nodes successfully configured")
