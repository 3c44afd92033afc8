"""What each account may do, asked of a real API server with kubectl: what its golden file says, and nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.grants import EVERYWHERE
from nmstate_k8s.domain.install.kinds import SERVICE_ACCOUNTS
from nmstate_k8s.domain.kinds import NMSTATES
from nmstate_k8s.testing.apiserver import ControlPlane, find_binary
from tests.integration.installkit import ROOT, account_token, manifests

pytestmark = pytest.mark.apiserver

GOLDEN = ROOT / "manifests/access"
ACCOUNTS = sorted(path.stem for path in GOLDEN.glob("*.txt"))
NAMESPACES = ("nmstate", "default", "kube-system")
Grant = tuple[str, str, str]
"""Kind, name (empty: all) and verb."""


@pytest_asyncio.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator, on a cluster where everything is installed."""
    async with Client(plane.config) as client:
        nmstate = Object.from_dict({"metadata": {"name": "nmstate", "uid": "none"}}, NMSTATES)
        for manifest in manifests(nmstate):
            body = {**manifest.body, "metadata": {**manifest.body["metadata"], "ownerReferences": []}}
            await client.apply(manifest.resource, body, field_manager="test")
        await client.apply(
            SERVICE_ACCOUNTS, {"metadata": {"name": "nobody", "namespace": "nmstate"}}, field_manager="test"
        )
        yield client


def golden(account: str, namespace: str) -> set[Grant]:
    """What the golden file says that the account may do in a namespace."""
    lines = (GOLDEN / f"{account}.txt").read_text().splitlines()
    rows = [line.split(maxsplit=3) for line in lines if not line.startswith("#")]
    return {
        (kind, name.removeprefix("-"), verb)
        for place, kind, name, verbs in rows
        if place in (EVERYWHERE, namespace)
        for verb in verbs.split()
    }


async def told(plane: ControlPlane, admin: Client, account: str, namespace: str) -> set[Grant]:
    """What `kubectl auth can-i --list` says."""
    token = await account_token(admin, account)
    kubectl = await asyncio.create_subprocess_exec(
        *(find_binary("kubectl"), "--kubeconfig=/dev/null", f"--server={plane.server}", f"--token={token}"),
        f"--certificate-authority={plane.config.ca_file}",
        *("auth", "can-i", "--list", "--no-headers", f"--namespace={namespace}"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await kubectl.communicate()
    assert kubectl.returncode == 0
    found: set[Grant] = set()
    for line in output.decode().splitlines():
        row = re.fullmatch(r"(\S*)\s+\[(.*?)\]\s+\[(.*?)\]\s+\[(.*?)\]", line)
        assert row, line
        kind, urls, names, verbs = row.groups()
        objects = [("url", url) for url in urls.split()] or [(kind, name) for name in names.split() or [""]]
        found |= {(*one, verb) for one in objects for verb in verbs.split()}
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("account", ACCOUNTS)
async def test_an_account_may_do_what_its_golden_file_says(plane: ControlPlane, admin: Client, account: str) -> None:
    """In our namespace, in that of the events, and in any other; apart from what every account may do."""
    for namespace in NAMESPACES:
        anybody = await told(plane, admin, "nobody", namespace)
        assert await told(plane, admin, account, namespace) - anybody == golden(account, namespace), namespace
        assert not anybody & golden(account, namespace)


def test_there_is_a_golden_file_for_each_account() -> None:
    """The operator, the controller, the handler; and no other account of ours."""
    assert ACCOUNTS == ["nmstate-controller", "nmstate-handler", "nmstate-operator"]
