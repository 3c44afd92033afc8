"""Why a pod does not work, as the NMState's message has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.health import Pods, not_available
from nmstate_k8s.domain.install.podfacts import PodFacts, pod_facts, slim_pod, symptoms
from nmstate_k8s.domain.install.stack import Manifest
from nmstate_k8s.domain.install.stuck import PATIENCE, explained
from nmstate_k8s.domain.kinds import DAEMONSETS, PODS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO, JUST_NOW = (NOW - 2 * PATIENCE).isoformat(), NOW.isoformat()
HANDLER = {"component": "kubernetes-nmstate-handler", "name": "nmstate-handler"}


def pod(node: str, container: dict[str, Any] | None = None, **parts: Any) -> Object:
    """A handler's pod as the API server has it, with one container."""
    meant = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": meant}
    status = {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": LONG_AGO}],
        "containerStatuses": [
            {"name": "nmstate-handler", "image": "registry/h:1", "imageID": "x", **(container or {})}
        ],
        **parts,
    }
    spec = {"nodeName": node, "affinity": {"nodeAffinity": required}, "containers": [{"name": "nmstate-handler"}]}
    metadata = {"name": f"h-{node}", "namespace": "nmstate", "labels": HANDLER, "annotations": {"large": "x" * 1000}}
    return Object.from_dict({"metadata": metadata, "spec": spec, "status": status}, PODS)


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, reason: str, message: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def told(*pods: Object, unready: tuple[str, ...] = ()) -> str:
    """What is said of them, of what is kept of them."""
    return explained((pod_facts(slim_pod(one)) for one in pods), unready, "nmstate", NOW)


BACK_OFF = 'Back-off pulling image "registry/h:1"'
UNPLACED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 1 Insufficient memory.",
}
NOT_PULLED = (
    "on n1: the image registry/h:1 cannot be pulled{}; see that the registry has it, and that the node reaches the"
    " registry and may pull from it"
)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param(waiting("ErrImagePull", "not found"), NOT_PULLED.format(": not found"), id="no such image"),
        pytest.param(
            waiting("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: not found"),
            NOT_PULLED.format(": not found"),
            id="the same while the kubelet waits",
        ),
        pytest.param(waiting("ImagePullBackOff", BACK_OFF), NOT_PULLED.format(""), id="as older kubelets say it"),
        pytest.param(
            waiting("ErrImageNeverPull"),
            "on n1: the image registry/h:1 is not on the node, and HANDLER_IMAGE_PULL_POLICY is Never; load it there,"
            " or let it be pulled",
            id="never pulled",
        ),
        pytest.param(
            {**waiting("CrashLoopBackOff", "back-off 10s"), "lastState": ended(1, "Error", "no D-Bus\n\tat all")},
            "on n1: the program ended (exit code 1): no D-Bus at all; see `kubectl logs -n nmstate h-n1 --previous`",
            id="crashes",
        ),
        pytest.param(
            {"state": {"running": {}}, "lastState": ended(137, "OOMKilled", "")},
            "on n1: the program ended (exit code 137, OOMKilled); see `kubectl logs -n nmstate h-n1 --previous`",
            id="killed for memory, and begun again",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", "configmap not found"),
            "on n1: the container does not start (CreateContainerConfigError): configmap not found; see `kubectl"
            " describe pod -n nmstate h-n1`",
            id="cannot be made",
        ),
        pytest.param(
            waiting("ContainerCreating"),
            "on n1: the container has not been made yet; see `kubectl describe pod -n nmstate h-n1`: its events name"
            " what is missing",
            id="a folder of the host is missing",
        ),
        pytest.param(
            {"state": {"running": {}}},
            "on n1: it runs and is not ready; see `kubectl logs -n nmstate h-n1`",
            id="runs",
        ),
    ],
)
def test_a_container_says_what_keeps_it(found: dict[str, Any], sentence: str) -> None:
    """The node, the cause in the kubelet's words, and what to do."""
    assert told(pod("n1", found)) == sentence


def test_a_pod_that_no_node_takes_names_what_the_scheduler_says() -> None:
    """Which taints, which resources; and the fields that decide on it, by the kind of pod."""
    handler = pod("n1", conditions=[UNPLACED])
    assert told(handler) == (
        "on n1: no node takes the pod: 0/3 nodes are available: 1 Insufficient memory.; make room, or change"
        " spec.tolerations, spec.nodeSelector, spec.affinity of the NMState"
    )
    body = handler.to_dict()
    body["metadata"]["labels"] = {"component": "kubernetes-nmstate-webhook"}
    body["spec"] = {}
    assert told(Object.from_dict(body, PODS)) == (
        "no node takes the pod: 0/3 nodes are available: 1 Insufficient memory.; make room, or change"
        " spec.infraTolerations, spec.infraNodeSelector of the NMState"
    )


def test_an_evicted_pod_says_why() -> None:
    """It has no containers to ask any more."""
    gone = pod("n1", phase="Failed", reason="Evicted", message="The node was low on memory.", containerStatuses=[])
    assert told(gone).startswith(
        "on n1: the pod was ended (Evicted): The node was low on memory.; see `kubectl describe"
    )


def test_a_node_that_is_not_ready_explains_its_pods() -> None:
    """Whatever else they say."""
    pods = [pod(node, waiting("ErrImagePull", "no route")) for node in ("n1", "n2")]
    assert told(*pods, unready=("n1", "n2")) == (
        "on n1, n2: the node is not Ready, so nothing of it works; see `kubectl describe node n1`"
    )


def test_what_passes_by_itself_is_not_told_at_once() -> None:
    """Nor is a pod that works, nor one that is on its way out."""
    new = [{"type": "Ready", "status": "False", "lastTransitionTime": JUST_NOW}]
    assert told(pod("n1", waiting("ContainerCreating"), conditions=new)) == ""
    assert told(pod("n1", {"state": {"running": {}}}, conditions=new)) == ""
    assert told(pod("n1", waiting("ErrImagePull", "x"), conditions=[{"type": "Ready", "status": "True"}])) == ""
    going = pod("n1", {"state": {"running": {}}}).to_dict()
    going["metadata"]["deletionTimestamp"] = LONG_AGO
    assert told(Object.from_dict(going, PODS)) == ""


def test_equal_troubles_are_told_once_and_the_commonest_first() -> None:
    """However many nodes there are, the message stays short."""
    many = [pod(f"n{number:03}", waiting("ErrImagePull", "x" * 5000)) for number in range(200)]
    others = [pod(f"m{number}", {"lastState": ended(number, "Error", "")}) for number in range(1, 5)]
    sentence = told(*others, *many)
    assert sentence.startswith("on n000, n001, n002 and 197 others: the image registry/h:1 cannot be pulled: xxx")
    assert sentence.endswith("2 more pods do not work for other reasons")
    assert len(sentence) < 1000


def test_the_last_words_of_a_program_are_kept() -> None:
    """An error stands at the end of a traceback."""
    found = ended(1, "Error", "Traceback\n" + "x" * 1000 + "\nOSError: no disk")
    assert "OSError: no disk; see" in told(pod("n1", {"lastState": found}))


def test_what_is_kept_of_a_pod_is_small() -> None:
    """One a node, in memory."""
    kept = slim_pod(pod("n1", waiting("ErrImagePull", "x" * 5000)))
    assert b"large" not in kept.raw
    assert len(kept.raw) < 1000
    assert pod_facts(kept).node == "n1"
    assert kept.metadata.labels == HANDLER


def test_a_pod_that_works_has_no_symptoms() -> None:
    """So that its heartbeats wake nobody; one that fails in another way than before does."""
    ready = [{"type": "Ready", "status": "True"}]
    assert symptoms(pod("n1", conditions=ready)) == symptoms(pod("n2", {"ready": True}, conditions=ready))
    assert symptoms(pod("n1", waiting("ErrImagePull"))) != symptoms(pod("n1", waiting("ImagePullBackOff")))


def test_a_workload_is_explained_by_its_own_pods() -> None:
    """By its selector: others' troubles are theirs."""
    metadata = {"name": "nmstate-handler", "namespace": "nmstate", "generation": 1}
    counts = {"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "updatedNumberScheduled": 1}
    found = Object.from_dict({"metadata": metadata, "status": {"observedGeneration": 1, **counts}}, DAEMONSETS)
    manifest = Manifest(DAEMONSETS, {"metadata": metadata, "spec": {"selector": {"matchLabels": HANDLER}}})
    mine = pod_facts(pod("n1", waiting("ErrImagePull", "no")))
    other = PodFacts()
    (phrase,) = not_available([(manifest, found)], Pods([mine, other], (), NOW + timedelta(seconds=1)))
    assert phrase.startswith(
        "DaemonSet nmstate/nmstate-handler: available on 0 of 1 nodes (on n1: the image registry/h:1"
    )
