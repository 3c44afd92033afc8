"""What does not work yet, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.domain.install.health import Pods, not_available
from nmstate_k8s.domain.install.kinds import SERVICE_ACCOUNTS
from nmstate_k8s.domain.install.stack import Manifest
from nmstate_k8s.domain.kinds import CRDS, DAEMONSETS, DEPLOYMENTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def judged(resource: Resource, **parts: Any) -> tuple[str, ...]:
    """The verdict on one object of generation 2."""
    metadata = {"name": "x", "namespace": "nmstate" if resource.namespaced else "", "generation": 2}
    found = Object.from_dict({"metadata": metadata, **parts}, resource)
    return not_available([(Manifest(resource, {"metadata": metadata}), found)], Pods((), (), NOW))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ({}, "not rolled out yet"),
        ({"observedGeneration": 1, "desiredNumberScheduled": 1, "numberAvailable": 1}, "not rolled out yet"),
        ({"updatedNumberScheduled": 1, "numberAvailable": 3}, "1 of 3 nodes updated"),
        ({"updatedNumberScheduled": 3, "numberAvailable": 2}, "available on 2 of 3 nodes"),
        ({"updatedNumberScheduled": 3, "numberAvailable": 3}, ""),
        (
            {"currentNumberScheduled": 1},
            "on 2 of 3 nodes there is no pod yet; where that lasts, `kubectl describe daemonset -n nmstate x` says why",
        ),
        ({"desiredNumberScheduled": 0, "currentNumberScheduled": 0}, ""),
    ],
)
def test_daemon_set(status: dict[str, int], verdict: str) -> None:
    """A DaemonSet is available when its newest pods are, on every node that it is for."""
    three = {"desiredNumberScheduled": 3, "currentNumberScheduled": 3}
    seen = {"observedGeneration": 2, **three, **status} if status else {}
    expected = (f"DaemonSet nmstate/x: {verdict}",) if verdict else ()
    assert judged(DAEMONSETS, status=seen) == expected


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ({}, "not rolled out yet"),
        ({"observedGeneration": 2}, "0 of 2 replicas updated"),
        ({"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1}, "1 of 2 replicas available"),
        (
            {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2},
            "1 old replicas not replaced yet",
        ),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, ""),
        (
            {
                "observedGeneration": 2,
                "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: few"}],
            },
            "a pod cannot be created: exceeded quota: few",
        ),
    ],
)
def test_deployment(status: dict[str, Any], verdict: str) -> None:
    """A Deployment is available when its newest replicas are."""
    expected = (f"Deployment nmstate/x: {verdict}",) if verdict else ()
    assert judged(DEPLOYMENTS, spec={"replicas": 2}, status=status) == expected


def test_definition_must_be_served() -> None:
    """A kind is there when the API server serves it."""
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    assert judged(CRDS) == ("CustomResourceDefinition x: not served yet",)
    assert judged(CRDS, status=established) == ()


def test_others_work_as_soon_as_they_exist() -> None:
    """Kinds without a life of their own are never waited for."""
    assert judged(SERVICE_ACCOUNTS) == ()
