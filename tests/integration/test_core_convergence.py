"""Whatever happens to the API server, every informer of a manager comes back into step, without a restart, with one
list at most, and without a busy loop. Real kube-apiserver and etcd.

Where it makes a difference both ways are tried: straight to the server, whose connections are refused while it is
away, and through a proxy that counts requests by itself, whose connections break. `hack/convergence` runs the same for
longer: CONVERGENCE_DOWN_SECONDS.
"""

import asyncio
import os
from collections.abc import Iterator

import pytest

from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.faultproxy import FaultProxy
from nmstate_k8s.testing.proxy import TcpProxy
from tests.integration.convergencekit import (
    CONFIG_MAPS,
    CRDS,
    KINDS,
    SECRETS,
    THINGS,
    Mirrors,
    World,
    figure,
    install,
    mirrored,
)

DOWN_SECONDS = float(os.environ.get("CONVERGENCE_DOWN_SECONDS", "60"))
CUT_SECONDS = 30.0

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]

both_ways = pytest.mark.parametrize("proxied", [False, True], ids=["straight", "proxied"])


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane of our own, to be ill-treated."""
    with ControlPlane.start() as plane:
        install(plane)
        yield plane


@both_ways
async def test_a_server_that_is_killed_costs_one_list_at_most(plane: ControlPlane, proxied: bool) -> None:
    """The watches go on where they were, unless what they saw last is older than all that the new one remembers."""
    async with mirrored(plane, proxied=proxied) as (world, mirrors):
        plane.stop_apiserver(kill=True)
        await asyncio.to_thread(plane.start_apiserver)
        await world.change("killed")
        await mirrors.converge(world)
        mirrors.check(lists=1, requests=60)


async def test_a_server_that_is_down_is_asked_rarely(plane: ControlPlane, request: pytest.FixtureRequest) -> None:
    """At most once in two seconds, all informers together, when it has been away for a while."""
    async with (
        mirrored(plane) as (world, straight),
        FaultProxy.run(plane.config) as proxy,
        Mirrors.run(proxy.config, proxy) as proxied,
    ):
        await proxied.converge(world)
        plane.stop_apiserver()
        settled = min(30.0, DOWN_SECONDS / 2)
        await asyncio.sleep(settled)
        for mirrors in (straight, proxied):
            mirrors.forget_counts()
        await asyncio.sleep(DOWN_SECONDS - settled)
        for way, mirrors in (("refused", straight), ("broken", proxied)):
            rate = mirrors.requests / (DOWN_SECONDS - settled)
            figure(request, f"requests a second, {way}", round(rate, 3))
            assert rate <= 0.5
            mirrors.forget_counts()
        await asyncio.to_thread(plane.start_apiserver)
        await world.change("down")
        for mirrors in (straight, proxied):
            await mirrors.converge(world)
            mirrors.check(lists=1, requests=30)


async def test_history_that_is_compacted_costs_one_list(plane: ControlPlane) -> None:
    """Under watches that run, and under watches that were cut off meanwhile."""
    async with TcpProxy.run(plane.port) as wire, mirrored(plane, port=wire.port) as (world, mirrors):
        await world.change("compacted")
        await asyncio.to_thread(plane.etcd.compact)
        await world.change("compacted again")
        await mirrors.converge(world)
        mirrors.check(lists=0, requests=10)
        await wire.cut()
        await world.change("unseen")
        plane.stop_apiserver(kill=True)
        await asyncio.to_thread(plane.etcd.compact)
        await asyncio.to_thread(plane.start_apiserver)
        wire.restore()
        await mirrors.converge(world)
        mirrors.check(lists=1, requests=60)


async def test_a_network_that_is_cut_costs_one_list_at_most(plane: ControlPlane) -> None:
    """Half a minute without a packet; connections hang, they do not break."""
    async with TcpProxy.run(plane.port) as wire, mirrored(plane, port=wire.port) as (world, mirrors):
        wire.freeze()
        await asyncio.sleep(CUT_SECONDS / 2)
        await world.change("cut")
        await asyncio.sleep(CUT_SECONDS / 2)
        await wire.cut()
        wire.restore()
        await mirrors.converge(world)
        mirrors.check(lists=1, requests=60)


@both_ways
@pytest.mark.parametrize("missed", [False, True], ids=["quickly", "when it was missed"])
async def test_a_kind_that_is_deleted_and_made_again(plane: ControlPlane, proxied: bool, missed: bool) -> None:
    """Its objects are gone, one by one; the other kinds notice nothing."""
    async with mirrored(plane, proxied=proxied) as (world, mirrors):
        account = mirrors.accounts[THINGS.plural]
        before = set(account.known)
        await world.client.delete(CRDS, "things.example.com")
        await until(lambda: not account.known, 60)
        assert set(account.deletions) >= before
        await gone(world)
        if missed:
            await until(lambda: mirrors.asked["list", THINGS.plural] > mirrors.answered["list", THINGS.plural] + 1, 60)
        await asyncio.to_thread(install, plane)
        await world.change("made again")
        await mirrors.converge(world)
        mirrors.check(lists=1, requests=60)
        assert mirrors.lists()[CONFIG_MAPS.plural] == mirrors.lists()[SECRETS.plural] == 0


async def gone(world: World) -> None:
    """A deleted CRD stays until its objects are gone; before, an apply would be lost with it."""
    async with asyncio.timeout(30):
        while True:
            try:
                await world.client.get(CRDS, "things.example.com")
            except NotFound:
                return
            await asyncio.sleep(0.05)


@both_ways
async def test_a_server_that_is_set_back_to_an_older_state(plane: ControlPlane, proxied: bool) -> None:
    """etcd is restored: versions that we have seen have not happened. What was undone is told as it is now."""
    async with mirrored(plane, proxied=proxied) as (world, mirrors):
        backup = await asyncio.to_thread(plane.etcd.backup)
        for round_ in range(3):
            await world.change(f"to be undone {round_}")
        for kind in KINDS:
            await world.put(kind, "never-was")
            await world.delete(kind, "stays")
        await mirrors.converge(world)
        mirrors.forget_counts()
        await asyncio.to_thread(plane.restore, backup)
        await mirrors.converge(world, 180)
        assert all("stays" in {key.name for key in account.known} for account in mirrors.accounts.values())
        assert all("never-was" in {key.name for key in each.deletions} for each in mirrors.accounts.values())
        mirrors.check(lists=1, requests=60)
        await world.change("after the restore")
        await mirrors.converge(world)
        mirrors.check(lists=1, requests=60)
