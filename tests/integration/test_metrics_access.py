"""The controller's figures over HTTPS: the API server says who may read them."""

import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.metrics import METRICS
from nmstate_k8s.core.objects import Object
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.domain.install.kinds import CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.pki import Authority
from nmstate_k8s.testing.ports import free_ports
from tests.integration.rolloutkit import Cluster, controller, grant, until

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]


@dataclass
class Endpoint:
    """Where a controller serves its figures."""

    port: int
    trusting: ssl.SSLContext
    cluster: Cluster

    async def get(self, token: str = "", path: str = "/metrics") -> tuple[int, str, dict[str, str]]:
        """Status, body and headers of a scrape."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://localhost:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=self.trusting) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    async def token(self, name: str) -> str:
        """A token of an account of that name, for the API server."""
        client, namespace = self.cluster.client, self.cluster.namespace
        await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": name, "namespace": namespace}})
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = await client.request("POST", SERVICE_ACCOUNTS.path(name, namespace, "token"), request)
        return str(Object(answer).to_dict()["status"]["token"])

    async def allow(self, name: str) -> None:
        """Give an account the right to read the figures."""
        namespace = self.cluster.namespace
        await self.cluster.client.create(
            CLUSTER_ROLE_BINDINGS,
            {
                "metadata": {"name": f"{namespace}-{name}"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": f"{namespace}-nmstate-metrics-reader",
                },
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            },
        )


@pytest_asyncio.fixture
async def endpoint(
    control_plane: ControlPlane, crds: list[str], client: Client, tmp_path: Path
) -> AsyncIterator[Endpoint]:
    """A controller with the rights of its account and no others, and a certificate of the test's CA."""
    cluster = Cluster(client, f"t{uuid.uuid4().hex[:8]}")
    await cluster.prepare()
    account = await grant(client, cluster.namespace)
    authority = Authority(tmp_path)
    pair = authority.issue("metrics", "metrics", hosts=("localhost",))
    tls = ServerTls()
    tls.load(pair.cert.read_bytes(), pair.key.read_bytes())
    trusting = ssl.create_default_context(cafile=str(authority.pair.cert))
    (port,) = free_ports(1)
    config = control_plane.config_for(account)
    async with controller(config, cluster.namespace, metrics_address=f"127.0.0.1:{port}", tls=tls):
        endpoint = Endpoint(port, trusting, cluster)
        await until(_leads, "the controller leads")
        yield endpoint
    await cluster.clean()


async def _leads() -> bool:
    return METRICS.registry.get_sample_value("kubernetes_nmstate_policies_status", {"status": "Degraded"}) is not None


async def test_without_a_token_nothing_is_said(endpoint: Endpoint) -> None:
    """Nor with one that the API server does not know."""
    status, text, headers = await endpoint.get()
    assert (status, text) == (401, "a bearer token is needed\n")
    assert headers["WWW-Authenticate"] == "Bearer"
    status, text, _ = await endpoint.get("eyJhbGciOiJub25lIn0.e30.")
    assert (status, text) == (401, "the token is not valid\n")


async def test_a_token_without_the_right_is_refused_by_name(endpoint: Endpoint) -> None:
    """So that who set it up knows whom to give the right to."""
    status, text, _ = await endpoint.get(await endpoint.token("stranger"))
    assert status == 403
    assert text == f"system:serviceaccount:{endpoint.cluster.namespace}:stranger may not get /metrics\n"


async def test_with_the_right_all_figures_are_read(endpoint: Endpoint) -> None:
    """Those of the cluster, since this replica leads, and those of the process."""
    await endpoint.allow("prometheus")
    token = await endpoint.token("prometheus")

    async def read() -> str:
        status, text, _ = await endpoint.get(token)
        return text if status == 200 else ""  # the API server's own caches take a moment to know of a new binding

    text = await until(read, "the figures can be read")
    assert 'kubernetes_nmstate_policies_status{status="Degraded"} 0.0' in text
    assert "controller_runtime_reconcile_total" in text
    status, _, _ = await endpoint.get(token, "/other")
    assert status == 404


async def test_it_is_https_alone(endpoint: Endpoint) -> None:
    """A token is never sent in the clear."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://localhost:{endpoint.port}/metrics")
