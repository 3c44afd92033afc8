"""What the API server and its clients know each other by is changed under informers that run: they go on, without a
restart and with one list at most. Real kube-apiserver and etcd.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import TokenFile
from nmstate_k8s.core.errors import Unauthorized
from nmstate_k8s.core.objects import Resource
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.clock import until
from nmstate_k8s.testing.proxy import TcpProxy
from tests.integration.convergencekit import CONFIG_MAPS, KINDS, SECRETS, Mirrors, World, install

BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding")
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.apiserver]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane of our own, to be ill-treated."""
    with ControlPlane.start() as plane:
        install(plane)
        yield plane


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


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
async def test_a_token_that_is_rotated_is_read_again(plane: ControlPlane, tmp_path: Path, late: bool) -> None:
    """The old one is refused: the file has a new one, or will have it when somebody comes to write it."""
    file = tmp_path / "token"
    async with Client(plane.config) as admin:
        world = World(admin)
        await service_account(admin, "rotated")
        old, new = [await token_of(admin, "rotated", f"{which}-{late}".lower()) for which in ("old", "new")]
        file.write_text(old)
        config = replace(plane.config_with_token(""), credentials=TokenFile(file))
        async with Mirrors.run(config) as mirrors:
            await mirrors.converge(world)
            if not late:
                file.write_text(new)
            await admin.delete(SECRETS, f"old-{late}".lower(), "default")
            await refused(plane, old)
            mirrors.forget_counts()
            mirrors.client.reset_connections()
            if late:
                await until(lambda: mirrors.failures >= 2 * len(KINDS), 60)
                file.write_text(new)
            await world.change("rotated")
            await mirrors.converge(world)
            mirrors.check(lists=0, requests=30)


async def refused(plane: ControlPlane, token: str) -> None:
    """The API server remembers for some seconds that it took a token."""
    async with Client(plane.config_with_token(token)) as client, asyncio.timeout(60):
        try:
            while True:
                await client.list(CONFIG_MAPS, "default")
                await asyncio.sleep(0.2)
        except Unauthorized:
            return


def authority(plane: ControlPlane) -> str:
    """The certificate that clients have to trust."""
    return Path(plane.config.ca_file).read_text()


async def test_another_authority_that_was_announced(plane: ControlPlane, tmp_path: Path) -> None:
    """The CA's file is changed before the server is: as a kubelet does it, and nobody restarts."""
    trusted, first = tmp_path / "ca.crt", authority(plane)
    trusted.write_text(first)
    async with Mirrors.run(replace(plane.config, ca_file=str(trusted))) as mirrors:
        second = (await asyncio.to_thread(plane.renew_authority)).read_text()
        trusted.write_text(first + second)
        plane.stop_apiserver()
        await asyncio.to_thread(plane.start_apiserver)
        async with Client(plane.config) as admin:
            world = World(admin)
            await world.change("another certificate")
            await mirrors.converge(world)
            mirrors.check(lists=1, requests=60)
            trusted.write_text(second)
            mirrors.client.reset_connections()
            await world.change("the old one is not trusted any more")
            await mirrors.converge(world)
        mirrors.check(lists=1, requests=90)


async def test_another_authority_that_nobody_announced(plane: ControlPlane, tmp_path: Path) -> None:
    """What is connected goes on; new connections are refused by us until the CA's file comes, and then are not."""
    trusted = tmp_path / "ca.crt"
    trusted.write_text(authority(plane))
    async with TcpProxy.run(plane.port) as wire:
        config = replace(plane.config, ca_file=str(trusted), server=f"https://127.0.0.1:{wire.port}")
        async with Mirrors.run(config) as mirrors:
            second = (await asyncio.to_thread(plane.renew_authority)).read_text()
            async with Client(plane.config) as admin:
                world = World(admin)
                await world.change("nobody has noticed")
                await mirrors.converge(world)
                mirrors.check(lists=0, requests=len(KINDS))
                mirrors.forget_counts()
                await wire.cut()
                wire.restore()
                await until(lambda: mirrors.failures >= 3 * len(KINDS), 60)
                trusted.write_text(second)
                await world.change("trusted again")
                await mirrors.converge(world)
            mirrors.check(lists=0, requests=60)
