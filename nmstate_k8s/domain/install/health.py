"""What of the stack does not work yet, as sentences for the one who waits for it."""

from __future__ import annotations

__all__ = ["Pods", "not_available"]

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.domain.install.podfacts import PodFacts
from nmstate_k8s.domain.install.stack import Manifest
from nmstate_k8s.domain.install.stuck import explained
from nmstate_k8s.domain.kinds import CRDS, DAEMONSETS, DEPLOYMENTS


class _DaemonSetStatus(Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class _DaemonSet(Struct, frozen=True):
    status: _DaemonSetStatus = _DaemonSetStatus()


class _DeploymentSpec(Struct, frozen=True):
    replicas: int = 1


class _Condition(Struct, frozen=True):
    type: str = ""
    status: str = ""
    message: str = ""


class _DeploymentStatus(Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[_Condition, ...] = ()


class _Deployment(Struct, frozen=True):
    spec: _DeploymentSpec = _DeploymentSpec()
    status: _DeploymentStatus = _DeploymentStatus()


class _DefinitionStatus(Struct, frozen=True):
    conditions: tuple[_Condition, ...] | None = None


class _Definition(Struct, frozen=True):
    status: _DefinitionStatus = _DefinitionStatus()


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of the stack at a moment, which tell why a workload is not available."""

    pods: Collection[PodFacts]
    unready: Collection[str]
    """Nodes that are not Ready."""
    now: datetime

    def of(self, manifest: Manifest) -> str:
        """Why the pods of a workload do not work."""
        selected = manifest.body.get("spec", {}).get("selector", {}).get("matchLabels", {}).items()
        mine = [pod for pod in self.pods if selected <= pod.metadata.labels.items()]
        return explained(mine, self.unready, manifest.key.namespace, self.now)


def not_available(objects: Iterable[tuple[Manifest, Object]], pods: Pods) -> tuple[str, ...]:
    """One phrase for each object that is not there for its users yet; none when all is well."""
    phrases = ((manifest, _JUDGES.get(manifest.resource, _fine)(found)) for manifest, found in objects)
    return tuple(f"{manifest}: {phrase}{_because(manifest, pods)}" for manifest, phrase in phrases if phrase)


def _because(manifest: Manifest, pods: Pods) -> str:
    why = pods.of(manifest) if manifest.resource in (DAEMONSETS, DEPLOYMENTS) else ""
    return f" ({why})" if why else ""


def _fine(_: Object) -> str:
    """Other kinds work as soon as they exist."""
    return ""


def _daemon_set(found: Object) -> str:
    status = found.view(_DaemonSet).status
    wanted = status.desired_number_scheduled
    if status.observed_generation < found.metadata.generation:
        return "not rolled out yet"
    if status.current_number_scheduled < wanted:
        missing = f"on {wanted - status.current_number_scheduled} of {wanted} nodes there is no pod yet"
        return f"{missing}; where that lasts, `kubectl describe daemonset -n {found.namespace} {found.name}` says why"
    if status.updated_number_scheduled < wanted:
        return f"{status.updated_number_scheduled} of {wanted} nodes updated"
    if status.number_available < wanted:
        return f"available on {status.number_available} of {wanted} nodes"
    return ""


def _deployment(found: Object) -> str:
    seen = found.view(_Deployment)
    wanted, status = seen.spec.replicas, seen.status
    if status.observed_generation < found.metadata.generation:
        return "not rolled out yet"
    if refused := [one.message for one in status.conditions if (one.type, one.status) == ("ReplicaFailure", "True")]:
        return f"a pod cannot be created: {refused[0]}"
    if status.updated_replicas < wanted:
        return f"{status.updated_replicas} of {wanted} replicas updated"
    if status.replicas > status.updated_replicas:  # they go when their successors are available
        return f"{status.replicas - status.updated_replicas} old replicas not replaced yet"
    if status.available_replicas < wanted:
        return f"{status.available_replicas} of {wanted} replicas available"
    return ""


def _definition(found: Object) -> str:
    conditions = found.view(_Definition).status.conditions or ()  # null for a moment
    established = any(one.type == "Established" and one.status == "True" for one in conditions)
    return "" if established else "not served yet"


_JUDGES: Mapping[Resource, Callable[[Object], str]] = {
    CRDS: _definition,
    DAEMONSETS: _daemon_set,
    DEPLOYMENTS: _deployment,
}
