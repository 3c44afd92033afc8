"""What all pods of an installation have in common, whoever writes them: the operator's manifest too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PODS = ("nmstate-operator", "nmstate-webhook", "nmstate-handler")


def bodies() -> Iterator[dict[str, Any]]:
    """Every object of install.yaml and of what the operator makes of a plain NMState."""
    for path in (ROOT / "install.yaml", *sorted((ROOT / "manifests/handler").glob("*.yaml"))):
        yield from yaml.safe_load_all(path.read_text())


WORKLOADS = {body["metadata"]["name"]: body for body in bodies() if body["kind"] in ("DaemonSet", "Deployment")}
ACCOUNTS = {body["metadata"]["name"]: body for body in bodies() if body["kind"] == "ServiceAccount"}


def pod(name: str) -> dict[str, Any]:
    """The pod of a workload."""
    spec: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return spec


def containers(name: str) -> list[dict[str, Any]]:
    """All containers of a pod."""
    return [*pod(name)["containers"], *pod(name).get("initContainers", ())]


def test_these_are_all_pods() -> None:
    """One that is added is looked at here, too."""
    assert sorted(WORKLOADS) == sorted(PODS)


@pytest.mark.parametrize("name", PODS)
def test_tokens_are_short_lived_and_asked_for(name: str) -> None:
    """No token that a pod did not ask for, neither by itself nor by its account; 600 to 900 seconds, bound to it."""
    assert pod(name)["automountServiceAccountToken"] is False
    assert ACCOUNTS[pod(name)["serviceAccountName"]]["automountServiceAccountToken"] is False
    sources = [one for volume in pod(name)["volumes"] for one in volume.get("projected", {}).get("sources", ())]
    (token,) = (one["serviceAccountToken"] for one in sources if "serviceAccountToken" in one)
    assert 600 <= token["expirationSeconds"] <= 900


@pytest.mark.parametrize("name", PODS)
def test_no_pod_can_write_its_own_root(name: str) -> None:
    """Nothing that runs in it can change what runs in it."""
    assert all(one["securityContext"]["readOnlyRootFilesystem"] is True for one in containers(name))


def test_only_the_handler_is_on_the_host_and_it_listens_on_loopback_alone() -> None:
    """Nothing of ours can be reached at a node's address."""
    assert {name for name in PODS if pod(name).get("hostNetwork")} == {"nmstate-handler"}
    for name in PODS:
        assert not any("hostPort" in port for one in containers(name) for port in one.get("ports", ()))
        assert not pod(name).get("hostPID")
        assert not pod(name).get("hostIPC")
    (container,) = containers("nmstate-handler")
    listening = {one["name"]: one["value"] for one in container["env"] if one["name"].endswith("_ADDRESS")}
    assert listening
    assert all(address.startswith("127.0.0.1:") for address in listening.values()), listening
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["host"] == "127.0.0.1"


def test_a_network_policy_is_for_each_pod_that_is_not_on_the_host() -> None:
    """Whoever has an address of his own says who may call there."""
    policies = [body for body in bodies() if body["kind"] == "NetworkPolicy"]
    for name in {"nmstate-operator", "nmstate-webhook"}:
        labels = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]
        mine = [one for one in policies if one["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
        assert len(mine) == 1, name
        assert "Ingress" in mine[0]["spec"]["policyTypes"]
