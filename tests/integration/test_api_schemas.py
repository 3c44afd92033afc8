"""The schemas on a real API server: what users write is accepted, what cannot be right is refused by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e.kit.console import WIZARD
from nmstate_k8s.api.conditions import PolicyPhase, policy_conditions
from nmstate_k8s.core.client import APPLY, Client
from nmstate_k8s.core.errors import Invalid
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.core.tables import table
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, NODE_STATES, POLICIES
from tests.integration.rolloutkit import ROOT, example

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("crds")]

EXAMPLES = sorted(path.stem for path in (ROOT / "manifests" / "examples").glob("*.yaml"))
VERSIONS = ("v1", "v1beta1")

SHAPES: dict[str, Any] = {
    **WIZARD,
    "numbers as strings": {
        "interfaces": [
            {"name": "eth1", "ipv4": {"address": [{"ip": "192.0.2.1", "prefix-length": "24"}], "enabled": True}}
        ]
    },
    "templates": {"interfaces": [{"name": "{{ capture.nic.interfaces.0.name }}", "state": "up"}]},
    "nothing": {},
}

CONDITION = {
    "type": "Available",
    "status": "True",
    "reason": "R",
    "message": "m",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "lastHeartbeatTime": "2026-01-01T00:00:00Z",
}
ENACTMENT_STATUS = {
    "conditions": [CONDITION],
    "desiredState": {"interfaces": [{"name": "eth1"}]},
    "desiredStateMetaInfo": {"version": "3", "time": "2026-01-01T00:00:00Z"},
    "policyGeneration": 3,
    "capturedStates": {
        "nic": {"state": {"interfaces": []}, "metaInfo": {"version": "3", "time": "2026-01-01T00:00:00Z"}}
    },
    "features": ["ipv4_static"],
    "retryCount": {"3": 2},
    "bootId": "b",
    "transactionId": "t",
    "failure": {"stage": "apply", "reason": "r", "interface": "eth1", "details": "d"},
    "probes": [{"name": "ping", "result": "passed", "milliseconds": 12, "message": "m"}],
    "timing": {"apply": 1.5},
}
NODE_STATE_STATUS = {
    "currentState": {
        "interfaces": [
            {
                "name": "eth0",
                "type": "ethernet",
                "state": "up",
                "ethtool": {"feature": {"tx-checksum": True}},
                "lldp": {"enabled": True, "neighbors": [[{"type": 5, "system-name": "switch"}]]},
            }
        ]
    },
    "lastSuccessfulUpdateTime": "2026-01-01T00:00:00Z",
    "handlerNetworkManagerVersion": "1.52.0",
    "handlerNmstateVersion": "2.2.62",
    "hostNetworkManagerVersion": "1.52.0",
    "conditions": [CONDITION],
}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
        },
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}}
        ],
    },
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}},
            }
        ]
    },
}
NMSTATE = {
    "nodeSelector": {"node-role.kubernetes.io/worker": ""},
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    "affinity": AFFINITY,
    "infraNodeSelector": {"infra": "yes"},
    "infraTolerations": [{"operator": "Exists"}],
    "infraAffinity": AFFINITY,
    "selfSignConfiguration": {
        "caRotateInterval": "8760h0m0s",
        "caOverlapInterval": "24h0m0s",
        "certRotateInterval": "4380h0m0s",
        "certOverlapInterval": "24h0m0s",
    },
    "probeConfiguration": {
        "ping": {"families": ["ipv6"]},
        "dns": {"host": "example.com", "families": ["ipv4", "ipv6"]},
        "tcp": [{"host": "10.0.0.1", "port": 22}, {"host": "2001:db8::1", "port": 53}],
        "http": [{"url": "https://[2001:db8::1]:8443/health?all=1", "status": 401}, {"url": "http://a.example"}],
        "timeoutSeconds": 60,
        "disable": ["ping"],
    },
    "metricsConfiguration": {"bindAddress": ":8089"},
    "logLevel": "debug",
}


def in_version(resource: Resource, version: str) -> Resource:
    """The same kind in another version."""
    return Resource(resource.group, version, resource.plural, resource.kind)


async def strictly(client: Client, resource: Resource, body: Mapping[str, Any], subresource: str = "") -> Object:
    """Server-side apply with strict validation of fields, without keeping the result."""
    name = body["metadata"]["name"]
    typed = {**body, "apiVersion": resource.api_version, "kind": resource.kind}
    query = {"fieldManager": "test", "fieldValidation": "Strict", "dryRun": "All"}
    path = resource.path(name, subresource=subresource)
    return Object(await client.request("PATCH", path, typed, query, content_type=APPLY), resource)


def named(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """An object."""
    return {"metadata": {"name": name}, "spec": spec}


@pytest.mark.asyncio
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_example_is_accepted_and_kept_as_it_is(client: Client, name: str, version: str) -> None:
    """In both versions, strictly."""
    body = example(name)
    kept = await strictly(client, in_version(POLICIES, version), body)
    assert kept.to_dict()["spec"] == body["spec"]


@pytest.mark.asyncio
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_of_the_console_is_accepted(client: Client, shape: str, version: str) -> None:
    """With its node selector."""
    spec = {"desiredState": SHAPES[shape], "nodeSelector": {"node-role.kubernetes.io/worker": ""}}
    kept = await strictly(client, in_version(POLICIES, version), named("wizard", spec))
    assert kept.to_dict()["spec"] == spec


@pytest.mark.asyncio
@pytest.mark.parametrize("version", VERSIONS)
async def test_every_field_of_an_nmstate_is_accepted(client: Client, version: str) -> None:
    """And an empty spec, and none."""
    resource = in_version(NMSTATES, version)
    kept = await strictly(client, resource, named("nmstate", NMSTATE))
    assert kept.to_dict()["spec"] == NMSTATE
    await strictly(client, resource, named("nmstate", {}))
    await strictly(client, resource, {"metadata": {"name": "nmstate"}})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("resource", "status"),
    [(ENACTMENTS, ENACTMENT_STATUS), (NODE_STATES, NODE_STATE_STATUS)],
    ids=["enactment", "node state"],
)
async def test_every_status_that_a_node_writes_is_kept_as_it_is(
    client: Client, resource: Resource, status: dict[str, Any]
) -> None:
    """Strictly: each field is in the schema."""
    body = {"metadata": {"name": "node1.br1"}}
    await client.apply(resource, body, field_manager="test")
    try:
        kept = await strictly(client, resource, {**body, "status": status}, "status")
        assert kept.to_dict()["status"] == status
    finally:
        await client.delete(resource, "node1.br1")


@pytest.mark.asyncio
async def test_an_enactment_keeps_top_level_fields_that_nobody_knows(client: Client) -> None:
    """Newer and older programs may write them."""
    kept = await client.apply(ENACTMENTS, {"metadata": {"name": "n.p"}, "extra": {"a": 1}}, field_manager="test")
    await client.delete(ENACTMENTS, "n.p")
    assert kept.to_dict()["extra"] == {"a": 1}


@pytest.mark.asyncio
@pytest.mark.parametrize("resource", [POLICIES, NMSTATES], ids=lambda resource: str(resource.kind))
async def test_a_new_object_has_not_been_observed(client: Client, resource: Resource) -> None:
    """So that nobody takes it for finished."""
    kept = await strictly(client, resource, named("new", {}))
    assert kept.to_dict()["status"] == {"observedGeneration": -1}


@pytest.mark.asyncio
@pytest.mark.parametrize("value", [1, 0, 30, "1", "25%", "100%", "nonsense"])
async def test_any_number_or_string_may_be_max_unavailable(client: Client, value: int | str) -> None:
    """What is invalid means the default, it is no error."""
    await strictly(client, POLICIES, named("max", {"maxUnavailable": value}))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "spec", "said"),
    [
        pytest.param("p", {"nodeSelector": {"bad key": ""}}, "names of labels", id="key with a space"),
        pytest.param("p", {"nodeSelector": {"-a": ""}}, "names of labels", id="key begins with a dash"),
        pytest.param("p", {"nodeSelector": {"Up.er/a": ""}}, "names of labels", id="prefix in capitals"),
        pytest.param("p", {"nodeSelector": {"a/b/c": ""}}, "names of labels", id="two slashes"),
        pytest.param("p", {"nodeSelector": {"x/" + "a" * 64: ""}}, "63 characters", id="key too long"),
        pytest.param("p", {"nodeSelector": {"a": "b c"}}, "spec.nodeSelector.a", id="value with a space"),
        pytest.param("p", {"nodeSelector": {"a": "b" * 64}}, "spec.nodeSelector.a", id="value too long"),
        pytest.param("p" * 64, {}, "63 characters", id="name too long"),
        pytest.param("p", {"desiredState": "text"}, "spec.desiredState", id="state is text"),
        pytest.param("p", {"desiredState": []}, "spec.desiredState", id="state is a list"),
        pytest.param("p", {"capture": {"a": 1}}, "spec.capture.a", id="capture is a number"),
        pytest.param("p", {"probes": {"timeoutSeconds": 0}}, "spec.probes.timeoutSeconds", id="no time to probe"),
        pytest.param("p", {"probes": {"timeoutSeconds": 201}}, "spec.probes.timeoutSeconds", id="probes for too long"),
        pytest.param("p", {"probes": {"disable": ["all"]}}, "spec.probes.disable", id="a probe that is none"),
        pytest.param("p", {"probes": {"ping": {"families": []}}}, "spec.probes.ping.families", id="no family"),
        pytest.param("p", {"probes": {"tcp": [{"host": "h"}]}}, "spec.probes.tcp[0].port", id="tcp without a port"),
        pytest.param("p", {"probes": {"tcp": [{"host": "a b", "port": 1}]}}, "tcp[0].host", id="host with a space"),
        pytest.param("p", {"probes": {"http": [{"url": "ftp://a"}]}}, "http[0].url", id="another protocol"),
        pytest.param("p", {"probes": {"http": [{"url": "http://u:p@a/"}]}}, "http[0].url", id="password in a URL"),
        pytest.param("p", {"probes": {"http": [{"url": "http://a/ b"}]}}, "http[0].url", id="URL with a space"),
        pytest.param("p", {"maxUnavailable": {}}, "spec.maxUnavailable", id="maxUnavailable is a map"),
    ],
)
async def test_what_cannot_be_right_is_refused_by_name(
    client: Client, name: str, spec: dict[str, Any], said: str
) -> None:
    """The message names the field or says what it must be."""
    body = {"apiVersion": POLICIES.api_version, "kind": POLICIES.kind, **named(name, spec)}
    with pytest.raises(Invalid) as refused:
        await client.request("POST", POLICIES.path(), body, {"dryRun": "All"})
    assert said in str(refused.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["a", "a.b/c", "A_b-c.d", "example.com/" + "a" * 63, "node-role.kubernetes.io/worker"])
async def test_every_name_of_a_label_may_select(client: Client, key: str) -> None:
    """As Kubernetes defines them."""
    await strictly(client, POLICIES, named("p", {"nodeSelector": {key: "v"}}))


@pytest.mark.asyncio
async def test_columns_show_the_first_true_condition(client: Client) -> None:
    """Not Ready, which is True too and comes after."""
    body = named("columns", {})
    await client.apply(POLICIES, body, field_manager="test")
    try:
        now = client.clock.now()
        conditions = policy_conditions(PolicyPhase.AVAILABLE, "all", generation=1, now=now)
        status = {"metadata": body["metadata"], "status": {"conditions": conditions}}
        await client.apply(POLICIES, status, field_manager="test", subresource="status")
        seen = await table(client, POLICIES, "columns")
    finally:
        await client.delete(POLICIES, "columns")
    assert seen.columns == ("Name", "Status", "Reason")
    assert [tuple(row.values()) for row in seen.shown()] == [("columns", "Available", "SuccessfullyConfigured")]


def test_each_example_says_what_it_does() -> None:
    """In a comment, before anything else."""
    for path in sorted(Path(ROOT, "manifests", "examples").glob("*.yaml")):
        assert path.read_text().startswith("# "), path.name
