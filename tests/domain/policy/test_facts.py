"""Facts are read from objects, and survive their being cut down."""

from typing import Any

import pytest

from nmstate_k8s.api.conditions import EnactmentPhase
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.policy.facts import (
    EnactmentFacts,
    enactment_facts,
    node_facts,
    pod_node,
    slim_enactment,
    slim_node,
    slim_pod,
)

ENACTMENT: dict[str, Any] = {
    "apiVersion": "nmstate.io/v1beta1",
    "kind": "NodeNetworkConfigurationEnactment",
    "metadata": {
        "name": "n1.br1",
        "uid": "u",
        "resourceVersion": "12",
        "labels": {"nmstate.io/policy": "br1", "nmstate.io/node": "n1"},
        "annotations": {"nmstate.io/policy-uid": "pu"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "nu"}],
        "managedFields": [{"manager": "x"}],
    },
    "spec": {"policyGeneration": 3, "desiredState": {"interfaces": [{"name": "eth1"}]}},
    "status": {
        "policyGeneration": 2,
        "desiredState": {"interfaces": [{"name": "eth1"}]},
        "conditions": [{"type": "Failing", "status": "True", "reason": "FailedToConfigure", "message": "why"}],
    },
}
NODE: dict[str, Any] = {
    "metadata": {"name": "n1", "uid": "nu", "labels": {"zone": "a"}, "annotations": {"big": "x"}},
    "status": {
        "conditions": [{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": "True"}],
        "images": [{"names": ["x"]}],
    },
}


def test_an_enactment_says_what_it_is_admitted_to_and_what_it_reports() -> None:
    """And whose it is."""
    assert enactment_facts(Object.from_dict(ENACTMENT)) == EnactmentFacts(
        name="n1.br1",
        node="n1",
        policy="br1",
        uid="u",
        resource_version="12",
        policy_uid="pu",
        admitted=3,
        reported=2,
        phase=EnactmentPhase.FAILED,
        message="why",
    )


def test_an_enactment_without_spec_and_status_is_waiting() -> None:
    """Nothing is admitted, nothing reported."""
    facts = enactment_facts(Object.from_dict({"metadata": {"name": "n1.br1"}}))
    assert (facts.admitted, facts.reported, facts.phase) == (None, None, None)


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "Failing", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00+99:00"}]},
        {"policyGeneration": 1e21},
        {"conditions": "none"},
    ],
)
def test_a_status_that_cannot_be_read_says_nothing(status: Any) -> None:
    """What the controller itself wrote counts on: a node that reports nonsense is one that is silent."""
    obj = Object.from_dict({**ENACTMENT, "status": status})
    for facts in (enactment_facts(obj), enactment_facts(slim_enactment(obj))):
        assert (facts.node, facts.policy, facts.admitted) == ("n1", "br1", 3)
        assert (facts.reported, facts.phase, facts.working) == (None, None, True)


def test_cutting_down_keeps_the_facts_and_drops_the_states() -> None:
    """The cache holds what is needed, and no more."""
    whole = Object.from_dict(ENACTMENT)
    slim = slim_enactment(whole)
    assert enactment_facts(slim) == enactment_facts(whole)
    assert b"eth1" not in slim.raw
    assert b"managedFields" not in slim.raw
    node = Object.from_dict(NODE)
    assert node_facts(slim_node(node)) == node_facts(node)
    assert b"images" not in slim_node(node).raw
    pod = Object.from_dict({"metadata": {"name": "h"}, "spec": {"nodeName": "n1", "containers": [{}]}})
    assert pod_node(slim_pod(pod)) == pod_node(pod) == "n1"


def test_a_node_is_ready_by_its_ready_condition_alone() -> None:
    """Unknown, False and absent are all not ready."""
    assert node_facts(Object.from_dict(NODE)).ready
    for conditions in ([], [{"type": "Ready", "status": "Unknown"}], [{"type": "Ready", "status": "False"}]):
        assert not node_facts(Object.from_dict({**NODE, "status": {"conditions": conditions}})).ready


@pytest.mark.parametrize(
    ("admitted", "reported", "phase", "working"),
    [
        pytest.param(None, None, None, False, id="waiting"),
        pytest.param(2, None, None, True, id="admitted, silent"),
        pytest.param(2, 2, EnactmentPhase.PENDING, True, id="admitted, not begun"),
        pytest.param(2, 1, EnactmentPhase.AVAILABLE, True, id="admitted, reports the one before"),
        pytest.param(2, 2, EnactmentPhase.RETRYING, True, id="retrying"),
        pytest.param(2, 2, EnactmentPhase.AVAILABLE, False, id="done"),
        pytest.param(2, 2, EnactmentPhase.FAILED, False, id="failed"),
        pytest.param(2, 3, EnactmentPhase.PENDING, False, id="done, waits for the next"),
        pytest.param(None, 2, EnactmentPhase.PROGRESSING, False, id="at work for another program"),
    ],
)
def test_a_node_holds_a_slot_from_its_admission_to_the_end_that_it_reports(
    admitted: int | None, reported: int | None, phase: EnactmentPhase | None, working: bool
) -> None:
    """Derived from the enactment alone."""
    facts = EnactmentFacts("e", "n", "p", admitted=admitted, reported=reported, phase=phase)
    assert facts.working is working
