"""Whatever happens to the API server, every informer of a manager comes back into step, without a restart, with one
list at most, and without a busy loop. Real kube-apiserver and etcd.

`hack/convergence` runs the same for longer: CONVERGENCE_DOWN_SECONDS and CONVERGENCE_RECONNECTS.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import TokenFile
from nmstate_k8s.core.errors import NotFound, Unauthorized
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.proxy import TcpProxy
from tests.integration.convergencekit import CONFIG_MAPS, KINDS, SECRETS, THINGS, Mirrors, World

DOWN_SECONDS = float(os.environ.get("CONVERGENCE_DOWN_SECONDS", "45"))
RECONNECTS = int(os.environ.get("CONVERGENCE_RECONNECTS", "300"))
CUT_SECONDS = 30.0
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding")
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
CRD = {
    "apiVersion": CRDS.api_version,
    "kind": CRDS.kind,
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Cluster",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


def install(plane: ControlPlane, folder: Path) -> None:
    """Make our kind served."""
    file = folder / "crd.yaml"
    file.write_text(json.dumps(CRD))
    plane.install_crds(file)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own, to be ill-treated."""
    with ControlPlane.start() as plane:
        install(plane, tmp_path_factory.mktemp("crd"))
        yield plane


@asynccontextmanager
async def world_and_mirrors(plane: ControlPlane, port: int = 0) -> AsyncIterator[tuple[World, Mirrors]]:
    """In step; `port`: where the mirrors find the API server."""
    async with Client(plane.config) as client:
        world = World(client)
        await world.change("first")
        server = f"https://127.0.0.1:{port or plane.port}"
        async with Mirrors.run(replace(plane.config, server=server)) as mirrors:
            await mirrors.converge(world)
            yield world, mirrors


def no_more_than(mirrors: Mirrors, lists: int, requests: int) -> None:
    """Of each kind so many lists, and of everything so many requests."""
    assert all(count <= lists for count in mirrors.lists().values()), mirrors.lists()
    assert mirrors.asked.total() <= requests, mirrors.asked


async def test_a_server_that_is_killed_costs_no_list(plane: ControlPlane) -> None:
    """The watches go on where they were."""
    async with world_and_mirrors(plane) as (world, mirrors):
        plane.stop_apiserver(kill=True)
        await asyncio.to_thread(plane.start_apiserver)
        await world.change("killed")
        await mirrors.converge(world)
        no_more_than(mirrors, lists=1, requests=60)


async def test_a_server_that_is_down_is_asked_rarely(plane: ControlPlane) -> None:
    """At most once in two seconds, all informers together, when it has been away for a while."""
    async with world_and_mirrors(plane) as (world, mirrors):
        plane.stop_apiserver()
        settled = min(30.0, DOWN_SECONDS / 2)
        await asyncio.sleep(settled)
        mirrors.forget_counts()
        await asyncio.sleep(DOWN_SECONDS - settled)
        rate = mirrors.asked.total() / (DOWN_SECONDS - settled)
        print(f"{rate:.3f} requests a second while the API server was down for {DOWN_SECONDS:g} s")
        assert rate <= 0.5
        mirrors.forget_counts()
        await asyncio.to_thread(plane.start_apiserver)
        await world.change("down")
        await mirrors.converge(world)
        no_more_than(mirrors, lists=1, requests=30)


async def test_history_that_is_compacted_costs_one_list(plane: ControlPlane) -> None:
    """Under watches that run, and under watches that were cut off meanwhile."""
    async with TcpProxy.run(plane.port) as wire, world_and_mirrors(plane, wire.port) as (world, mirrors):
        await world.change("compacted")
        await asyncio.to_thread(plane.compact)
        await world.change("compacted again")
        await mirrors.converge(world)
        no_more_than(mirrors, lists=0, requests=10)
        await wire.cut()
        await world.change("unseen")
        plane.stop_apiserver(kill=True)
        await asyncio.to_thread(plane.compact)
        await asyncio.to_thread(plane.start_apiserver)
        wire.restore()
        await mirrors.converge(world)
        no_more_than(mirrors, lists=1, requests=60)


async def test_a_network_that_is_cut_costs_no_list(plane: ControlPlane) -> None:
    """Half a minute without a packet; connections hang, they do not break."""
    async with TcpProxy.run(plane.port) as wire, world_and_mirrors(plane, wire.port) as (world, mirrors):
        wire.freeze()
        await asyncio.sleep(CUT_SECONDS / 2)
        await world.change("cut")
        await asyncio.sleep(CUT_SECONDS / 2)
        await wire.cut()
        wire.restore()
        await mirrors.converge(world)
        no_more_than(mirrors, lists=1, requests=60)


async def test_a_kind_that_is_deleted_and_made_again(plane: ControlPlane, tmp_path: Path) -> None:
    """Its objects are gone, one by one; the other kinds notice nothing."""
    async with world_and_mirrors(plane) as (world, mirrors):
        account = mirrors.accounts[THINGS.plural]
        before = set(account.known)
        await world.client.delete(CRDS, "things.example.com")
        await until(lambda: not account.known, 60)
        assert set(account.deletions) >= before
        async with asyncio.timeout(30):
            while True:
                try:
                    await world.client.get(CRDS, "things.example.com")
                except NotFound:
                    break
                await asyncio.sleep(0.05)
        await asyncio.to_thread(install, plane, tmp_path)
        await world.change("made again")
        await mirrors.converge(world)
        no_more_than(mirrors, lists=2, requests=60)
        assert mirrors.lists()[CONFIG_MAPS.plural] == mirrors.lists()[SECRETS.plural] == 0


async def test_a_server_that_is_set_back_to_an_older_state(plane: ControlPlane, tmp_path: Path) -> None:
    """etcd is restored: versions that we have seen have not happened. What was undone is told as it is now."""
    async with world_and_mirrors(plane) as (world, mirrors):
        backup = await asyncio.to_thread(plane.backup)
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
        no_more_than(mirrors, lists=1, requests=60)
        await world.change("after the restore")
        await mirrors.converge(world)
        no_more_than(mirrors, lists=1, requests=60)


async def service_account(client: Client, name: str) -> None:
    """One that may do everything."""
    await client.apply(ACCOUNTS, {"metadata": {"name": name, "namespace": "default"}}, field_manager="test")
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
    }
    await client.apply(BINDINGS, body, field_manager="test")


async def token_of(client: Client, name: str, secret: str) -> str:
    """A token that is good as long as the Secret is there."""
    made = await client.apply(SECRETS, {"metadata": {"name": secret, "namespace": "default"}}, field_manager="test")
    bound = {"kind": "Secret", "apiVersion": "v1", "name": secret, "uid": made.uid}
    body: dict[str, Any] = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
    body["spec"] = {"boundObjectRef": bound, "expirationSeconds": 3600}
    path = f"/api/v1/namespaces/default/serviceaccounts/{name}/token"
    return str(json.loads(await client.request("POST", path, body))["status"]["token"])


async def test_a_token_that_is_rotated_is_read_again(plane: ControlPlane, tmp_path: Path) -> None:
    """The old one is refused: the file has a new one."""
    file = tmp_path / "token"
    async with Client(plane.config) as admin:
        world = World(admin)
        await service_account(admin, "rotated")
        old = await token_of(admin, "rotated", "old-token")
        file.write_text(old)
        config = replace(plane.config_with_token(""), credentials=TokenFile(file))
        async with Mirrors.run(config) as mirrors:
            await mirrors.converge(world)
            file.write_text(await token_of(admin, "rotated", "new-token"))
            await admin.delete(SECRETS, "old-token", "default")
            await refused(plane, old)
            mirrors.client.reset_connections()
            await world.change("rotated")
            await mirrors.converge(world)
            no_more_than(mirrors, lists=0, requests=30)


async def refused(plane: ControlPlane, token: str) -> None:
    """The API server remembers for some seconds that it took a token."""
    async with Client(plane.config_with_token(token)) as client, asyncio.timeout(60):
        try:
            while True:
                await client.list(CONFIG_MAPS, "default")
                await asyncio.sleep(0.2)
        except Unauthorized:
            return


async def test_another_certificate_of_another_authority(tmp_path: Path) -> None:
    """The CA's file is changed before the server is: as a kubelet does it, and nobody restarts."""
    with ControlPlane.start() as plane:
        install(plane, tmp_path)
        trusted = tmp_path / "ca.crt"
        first = authority(plane)
        trusted.write_text(first)
        async with Mirrors.run(replace(plane.config, ca_file=str(trusted))) as mirrors:
            second = plane.renew_authority().read_text()
            trusted.write_text(first + second)
            plane.stop_apiserver()
            await asyncio.to_thread(plane.start_apiserver)
            async with Client(plane.config) as admin:
                world = World(admin)
                await world.change("another certificate")
                await mirrors.converge(world)
                no_more_than(mirrors, lists=1, requests=60)
                trusted.write_text(second)
                mirrors.client.reset_connections()
                await world.change("the old one is not trusted any more")
                await mirrors.converge(world)
            no_more_than(mirrors, lists=1, requests=90)


async def test_memory_is_flat_over_many_reconnects(plane: ControlPlane) -> None:
    """Nothing is left of a connection that broke."""
    async with TcpProxy.run(plane.port) as wire, world_and_mirrors(plane, wire.port) as (world, mirrors):
        watched = len(KINDS)

        async def reconnect(times: int) -> None:
            for _ in range(times):
                asked = mirrors.asked.total()
                mirrors.client.reset_connections()
                await until(lambda seen=asked: mirrors.answered.total() >= seen + watched, 30, every=0.002)
                mirrors.forget_counts()

        mirrors.forget_counts()
        started = time.monotonic()
        await reconnect(RECONNECTS // 3)
        before, files, tasks = resident_kib(), open_files(), len(asyncio.all_tasks())
        await reconnect(RECONNECTS - RECONNECTS // 3)
        after = resident_kib()
        print(
            f"{RECONNECTS} reconnects of {watched} watches in {time.monotonic() - started:.0f} s: "
            f"{before} KiB, then {after}"
        )
        assert after - before < max(2048, before * 0.03)
        await until(lambda: open_files() <= files + 2 and len(asyncio.all_tasks()) <= tasks + 2, 30)
        await world.change("after many reconnects")
        await mirrors.converge(world)
        assert not mirrors.lists()


def authority(plane: ControlPlane) -> str:
    """The certificate that clients have to trust."""
    return Path(plane.config.ca_file).read_text()


def resident_kib() -> int:
    """Of this process."""
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1])


def open_files() -> int:
    """Of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
