"""A real Prometheus scrapes a real controller: what fails on a node is an alert, and what is mended ends it."""

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.errors import AlreadyExists
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.kinds import NAMESPACES, SERVICE_ACCOUNTS
from nmstate_k8s.domain.install.monitoring_dashboard import dashboard
from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.prometheus import Prometheus, find_program
from tests.integration.rolloutkit import Cluster, until
from tests.integration.webhookstack import Site

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio]

RULES = Path(__file__).parents[2] / "manifests" / "monitoring" / "rules.yaml"
MONITORING = "monitoring"
PATIENCE = 60.0


@dataclass
class Watched:
    """A cluster whose controller is scraped."""

    cluster: Cluster
    prometheus: Prometheus
    port: int
    token: str

    async def firing(self, policy: str) -> list[str]:
        """The alerts about a policy that are firing."""
        alerts = await asyncio.to_thread(self.prometheus.alerts)
        mine = [each for each in alerts if each["labels"].get("policy") == policy and each["state"] == "firing"]
        return [each["labels"]["alertname"] for each in mine]

    async def value(self, expression: str) -> list[float]:
        """The values of an expression."""
        return list((await asyncio.to_thread(self.prometheus.query, expression)).values())


async def token_of(client: Client, name: str) -> str:
    """A token of an account where Prometheus runs."""
    for resource, metadata in (
        (NAMESPACES, {"name": MONITORING}),
        (SERVICE_ACCOUNTS, {"name": name, "namespace": MONITORING}),
    ):
        with suppress(AlreadyExists):
            await client.create(resource, {"metadata": metadata})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await client.request("POST", SERVICE_ACCOUNTS.path(name, MONITORING, "token"), request)
    return str(Object(answer).to_dict()["status"]["token"])


def scrape(job: str, port: int, ca: Path, token: str) -> dict[str, Any]:
    """As docs/monitoring.md has it, with the target's address in place of discovery."""
    return {
        "job_name": job,
        "scheme": "https",
        "authorization": {"credentials": token},
        "tls_config": {"ca_file": str(ca), "server_name": "nmstate-monitor.nmstate.svc"},
        "static_configs": [{"targets": [f"localhost:{port}"]}],
    }


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of our own: everything is installed under its usual names."""
    with ControlPlane.start() as started:
        yield started


@pytest_asyncio.fixture
async def watched(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Watched]:
    """A controller with its account's rights and its own certificate; Prometheus with what it is installed with."""
    async with Client(plane.config) as admin:
        site = Site(plane, admin)
        await site.install()
        cluster = Cluster(admin, "nmstate")
        await cluster.prepare()
        async with site.controller():
            ca = tmp_path / "ca.crt"
            ca.write_bytes(base64.b64decode((await site.secret())["ca.crt"]))
            token = await token_of(admin, "prometheus-k8s")
            scrapes = [
                scrape("nmstate-monitor", site.metrics_port, ca, token),
                scrape("stranger", site.metrics_port, ca, await token_of(admin, "stranger")),
            ]
            starting = Prometheus.start(scrapes, [RULES])
            prometheus = await asyncio.to_thread(starting.__enter__)
            try:
                yield Watched(cluster, prometheus, site.metrics_port, token)
            finally:
                await asyncio.to_thread(starting.__exit__, None, None, None)
        await cluster.clean()


async def test_a_failed_node_fires_policy_degraded_until_the_policy_is_mended(watched: Watched) -> None:
    """From the enactment's status to the alert, by all that lies between; and the recorded sums follow."""
    cluster = watched.cluster
    node, policy = "node-a", "web"
    await cluster.add_node(node)
    await cluster.apply(policy)
    await cluster.admitted(node, policy)
    await cluster.report(node, policy, EnactmentPhase.RETRYING, "Retrying 2/5")
    assert await watched.firing(policy) == []
    await cluster.report(node, policy, EnactmentPhase.FAILED, "interface eth666 does not exist")
    await cluster.phase(policy, PolicyPhase.DEGRADED)

    async def fires() -> bool:
        return await watched.firing(policy) == ["PolicyDegraded"]

    await until(fires, "PolicyDegraded fires", PATIENCE)

    async def recorded() -> bool:
        return any(await watched.value('cluster:kubernetes_nmstate_enactments_status:sum{status="Failing"} >= 1'))

    await until(recorded, "the sum over the cluster is recorded", PATIENCE)  # its group is evaluated at another moment

    state = {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "down"}]}
    await cluster.apply(policy, {"desiredState": state})
    await cluster.admitted(node, policy, 2)
    await cluster.report(node, policy, EnactmentPhase.AVAILABLE)
    await cluster.phase(policy, PolicyPhase.AVAILABLE)

    async def quiet() -> bool:
        return await watched.firing(policy) == []

    await until(quiet, "PolicyDegraded is over", PATIENCE)


async def test_every_picture_of_the_dashboard_can_be_drawn(watched: Watched) -> None:
    """Prometheus understands each expression; those about policies and the controller find something here."""
    expressions = {
        panel["title"]: target["expr"].replace("$__rate_interval", "1m").replace("$job", ".+").replace("$policy", ".*")
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    }

    async def drawn() -> bool:
        found = {title for title, expression in expressions.items() if await watched.value(expression)}
        return {"Policies", "Reconciles a second", "Keys that wait", "Memory"} <= found

    await until(drawn, "policies and controllers are drawn", PATIENCE)


async def test_what_is_served_is_as_prometheus_wants_it(watched: Watched) -> None:
    """Names, types and help of all that a controller serves, by Prometheus' own rules."""

    async def leads() -> bytes:
        headers, url = {"Authorization": f"Bearer {watched.token}"}, f"https://localhost:{watched.port}/metrics"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url, ssl=False) as answer:
            body = await answer.read()
        return body if b"kubernetes_nmstate_policies_status" in body else b""

    served = await until(leads, "the leader serves all that there is", PATIENCE)
    told = await asyncio.to_thread(
        subprocess.run, [find_program("promtool"), "check", "metrics"], input=served, capture_output=True, check=False
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")


async def test_prometheus_reads_with_the_rights_that_it_is_installed_with(watched: Watched) -> None:
    """And an account without them does not."""

    async def scraped() -> dict[str, dict[str, Any]] | None:
        targets = await asyncio.to_thread(watched.prometheus.targets)
        by_job = {each["labels"]["job"]: each for each in targets}
        health = {job: each["health"] for job, each in by_job.items()}
        known = health.get("nmstate-monitor") == "up" and health.get("stranger", "unknown") != "unknown"
        return by_job if known else None

    targets = await until(scraped, "the controller's figures are read", PATIENCE)
    assert targets is not None
    assert targets["stranger"]["health"] == "down"
    assert len(await watched.value("nmstate_certificate_expiry_timestamp_seconds - time() > 86400")) == 2
    assert "403" in targets["stranger"]["lastError"]
