"""The installation's reconciler against a server of a few lines: what it says, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nmstate_k8s.api.conditions import NMStatePhase, nmstate_phase
from nmstate_k8s.api.nmstate import NMState
from nmstate_k8s.controllers.installed import Installed
from nmstate_k8s.controllers.nmstate import (
    LIST_SECONDS,
    OPTIONAL_SECONDS,
    STACK,
    WAITING_SECONDS,
    Cluster,
    NMStateReconciler,
    oldest_first,
    taints_changed,
    without_details,
)
from nmstate_k8s.core.clock import SYSTEM_CLOCK
from nmstate_k8s.core.controller import Result
from nmstate_k8s.core.errors import ApiError, Forbidden, Invalid, NotFound, Unavailable
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Key, Object, Resource
from nmstate_k8s.core.store import MutableStore
from nmstate_k8s.domain.install.kinds import SERVICE_MONITORS
from nmstate_k8s.domain.install.stack import InstallSettings
from nmstate_k8s.domain.install.surroundings import crd_name
from nmstate_k8s.domain.kinds import CRDS, DAEMONSETS, DEPLOYMENTS, NMSTATES, NODES, PODS

BORN = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = InstallSettings(handler_image="handler:1")


class Server:
    """Keeps what is applied, tells what was asked of it, and fails where told."""

    def __init__(self) -> None:
        self.objects: dict[tuple[Resource, Key], dict[str, Any]] = {}
        self.writes: list[str] = []
        self.failures: dict[Resource, Iterator[ApiError]] = {}

    def fail(self, resource: Resource, *errors: ApiError) -> None:
        """Answer the next applies of a kind so."""
        self.failures[resource] = iter(errors)

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        try:
            return Object.from_dict(self.objects[resource, Key(namespace, name)], resource)
        except KeyError:
            raise NotFound(name) from None

    async def apply(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Object:
        assert field_manager == "nmstate-operator"
        metadata = body["metadata"]
        key = Key(metadata.get("namespace", ""), metadata["name"])
        if subresource:
            self.objects[resource, key]["status"] = body["status"]
        else:
            self.writes.append(f"{resource.kind} {key}")
            if error := next(self.failures.get(resource, iter(())), None):
                raise error
            managers = [{"manager": field_manager, "operation": "Apply"}]
            applied = dict(body) | {"metadata": {"uid": str(key), **metadata, "managedFields": managers}}
            self.objects[resource, key] = self.objects.get((resource, key), {}) | applied
        return await self.get(resource, key.name, key.namespace)

    async def json_patch(
        self, resource: Resource, name: str, ops: Sequence[Mapping[str, Any]], *, namespace: str
    ) -> Object:
        *_, last = ops
        field = last["path"].removeprefix("/metadata/")
        verb = "adopt" if field == "managedFields" else f"set {field} of"
        self.writes.append(f"{verb} {resource.kind} {Key(namespace, name)}")
        self.objects[resource, Key(namespace, name)]["metadata"][field] = last["value"]
        return await self.get(resource, name, namespace)

    async def delete(self, resource: Resource, name: str, namespace: str = "", *, uid: str) -> None:
        self.writes.append(f"delete {name}")
        if self.objects[resource, Key(namespace, name)]["metadata"]["uid"] == uid:
            del self.objects[resource, Key(namespace, name)]

    def work(self) -> None:
        """What Kubernetes' own controllers do: everything installed becomes available."""
        for (resource, _), body in self.objects.items():
            if resource == CRDS:
                body["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
            if resource == DEPLOYMENTS:
                body["status"] = {"updatedReplicas": 1, "availableReplicas": 1}


class Kind:
    """A kind in memory."""

    def __init__(self) -> None:
        self.store = MutableStore()
        self.synced = True


class Recorder:
    """Keeps what people would be told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def event(self, regarding: Object, type_: str, reason: str, note: str, action: str) -> None:
        self.told.append((regarding.name, reason))


class World:
    """A server, the caches that follow it, and the reconciler between."""

    def __init__(self) -> None:
        self.server = Server()
        self.recorder = Recorder()
        self.nmstates = MutableStore()
        self.definitions = MutableStore()
        self.endpoints = MutableStore()
        self.nodes = MutableStore()
        self.pods = MutableStore()
        self.unlisted: set[Resource] = set()
        """Kinds of which there is no list when they begin to be followed."""
        self.installed: dict[tuple[Resource, str], Kind] = {}
        self.reconciler = NMStateReconciler(
            self.server,  # type: ignore[arg-type]
            nmstates=self.nmstates,
            cluster=Cluster(self.nodes, self.endpoints, self.definitions, self.pods),
            installed=Installed(self.follow),
            settings=SETTINGS,
            clock=SYSTEM_CLOCK,
            recorder=self.recorder,
        )

    def follow(self, resource: Resource, namespace: str) -> Kind:
        """What an informer would do: the list of what is there."""
        kind = self.installed[resource, namespace] = Kind()
        kind.synced = resource not in self.unlisted
        self._list(resource, namespace)
        return kind

    def _list(self, resource: Resource, namespace: str) -> None:
        store = self.installed[resource, namespace].store
        for obj in store.list():
            store.remove(obj.key)
        for (kind, key), body in self.server.objects.items():
            if kind == resource and key.namespace == namespace:
                store.put(Object.from_dict(body, resource))

    def add(self, name: str, age: int = 0, **spec: Any) -> None:
        created = (BORN + timedelta(seconds=age)).isoformat()
        body = {"metadata": {"name": name, "uid": name, "generation": 1, "creationTimestamp": created}, "spec": spec}
        self.server.objects[NMSTATES, Key("", name)] = body

    async def reconcile(self) -> Result | None:
        """Bring the caches up to date and reconcile."""
        for resource, namespace in self.installed:
            self._list(resource, namespace)
        for obj in self.nmstates.list():
            self.nmstates.remove(obj.key)
        for (resource, _), body in self.server.objects.items():
            if resource == NMSTATES:
                self.nmstates.put(Object.from_dict(body, resource))
        self.server.writes.clear()
        return await self.reconciler.reconcile(STACK)

    def phase(self, name: str = "nmstate") -> NMStatePhase | None:
        return nmstate_phase(self.status(name).conditions)

    def status(self, name: str = "nmstate") -> Any:
        return Object.from_dict(self.server.objects[NMSTATES, Key("", name)]).view(NMState).status


@pytest.mark.asyncio
async def test_installs_then_waits_then_is_available() -> None:
    """Progressing while something is missing, naming it; Available when all works; no write after that."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    assert "DaemonSet nmstate/nmstate-handler" in world.server.writes
    assert world.phase() is NMStatePhase.DEPLOYING
    (progressing,) = (one for one in world.status().conditions if one.type == "Progressing")
    assert "Deployment nmstate/nmstate-webhook: 0 of 1 replicas updated" in progressing.message

    world.server.work()
    assert await world.reconcile() is None
    assert world.phase() is NMStatePhase.AVAILABLE
    assert world.status().observed_generation == 1
    assert world.server.writes == []


@pytest.mark.asyncio
async def test_what_keeps_a_pod_is_said_and_looked_at_again() -> None:
    """Also what only lasts, of which nothing more is heard."""
    world = World()
    world.add("nmstate")
    labels = {"component": "kubernetes-nmstate-webhook", "name": "nmstate-webhook"}
    metadata = {"name": "w-1", "namespace": "nmstate", "labels": labels, "creationTimestamp": BORN.isoformat()}
    status = {"containerStatuses": [{"name": "w", "image": "h:1", "state": {"running": {}}}]}
    world.pods.put(Object.from_dict({"metadata": metadata, "spec": {"nodeName": "n1"}, "status": status}, PODS))
    assert await world.reconcile() == Result(requeue_after=WAITING_SECONDS)
    (progressing,) = (one for one in world.status().conditions if one.type == "Progressing")
    assert "updated (on n1: it runs and is not ready; see `kubectl logs -n nmstate w-1`)" in progressing.message

    taints = [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]
    world.nodes.put(Object.from_dict({"metadata": {"name": "n1"}, "spec": {"taints": taints}}, NODES))
    await world.reconcile()
    (progressing,) = (one for one in world.status().conditions if one.type == "Progressing")
    assert "(on n1: the node is not Ready, so nothing of it works;" in progressing.message


@pytest.mark.asyncio
async def test_drift_is_undone_alone() -> None:
    """What somebody changed is applied again, and nothing else."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    handler = world.server.objects[DAEMONSETS, Key("nmstate", "nmstate-handler")]
    handler["spec"]["template"]["spec"]["hostNetwork"] = False
    await world.reconcile()
    assert world.server.writes == ["DaemonSet nmstate/nmstate-handler"]


@pytest.mark.asyncio
async def test_a_refusal_is_told() -> None:
    """Degraded with the server's own words, and another try."""
    world = World()
    world.add("nmstate")
    world.server.fail(DAEMONSETS, Forbidden("daemonsets is forbidden: no", status=403, reason="Forbidden"))
    with pytest.raises(Forbidden):
        await world.reconcile()
    assert world.phase() is NMStatePhase.ERROR
    (degraded,) = (one for one in world.status().conditions if one.type == "Degraded")
    assert "daemonsets is forbidden: no" in degraded.message


@pytest.mark.asyncio
async def test_what_passes_by_itself_is_not_told() -> None:
    """A server that is busy or away does not make the installation Degraded."""
    world = World()
    world.add("nmstate")
    world.server.fail(DAEMONSETS, Unavailable("gone for a moment"))
    with pytest.raises(Unavailable):
        await world.reconcile()
    assert world.phase() is NMStatePhase.DEPLOYING


@pytest.mark.asyncio
async def test_what_is_not_asked_for_any_more_goes() -> None:
    """An object of this NMState that is in nothing we install is deleted; another's is not."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    for name, owner in (("nmstate-cert-manager", "nmstate"), ("somebody's", "another")):
        owners = [{"apiVersion": "nmstate.io/v1", "kind": "NMState", "name": "nmstate", "uid": owner}]
        metadata = {"name": name, "namespace": "nmstate", "uid": name, "ownerReferences": owners}
        world.server.objects[DEPLOYMENTS, Key("nmstate", name)] = {"metadata": metadata}
    await world.reconcile()
    assert world.server.writes == ["delete nmstate-cert-manager"]


@pytest.mark.asyncio
async def test_what_cannot_be_changed_is_made_anew() -> None:
    """A workload with another selector is deleted, that very object, and applied again."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    world.server.objects[DAEMONSETS, Key("nmstate", "nmstate-handler")]["spec"]["selector"] = {"matchLabels": {}}
    world.server.fail(DAEMONSETS, *[Invalid("spec.selector: field is immutable", status=422)] * 2)
    await world.reconcile()
    name = "DaemonSet nmstate/nmstate-handler"
    assert world.server.writes == [name, f"adopt {name}", name, "delete nmstate-handler", name]
    assert world.phase() is NMStatePhase.DEPLOYING


@pytest.mark.asyncio
async def test_what_others_set_gives_way_where_it_excludes_ours() -> None:
    """An apply that is refused because of what is there is tried again, as the owner of all that is there."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    world.server.objects[DAEMONSETS, Key("nmstate", "nmstate-handler")]["spec"]["selector"] = {"matchLabels": {}}
    world.server.fail(DAEMONSETS, Invalid("a and b cannot be both set", status=422))
    await world.reconcile()
    name = "DaemonSet nmstate/nmstate-handler"
    assert world.server.writes == [name, f"adopt {name}", name]


@pytest.mark.asyncio
async def test_what_is_wrong_in_itself_is_told() -> None:
    """An object that the server refuses with and without what others set: Degraded, with the server's words."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    world.server.objects[DAEMONSETS, Key("nmstate", "nmstate-handler")]["spec"]["selector"] = {"matchLabels": {}}
    world.server.fail(DAEMONSETS, *[Invalid("spec.template: no", status=422)] * 2)
    with pytest.raises(Invalid):
        await world.reconcile()
    assert world.phase() is NMStatePhase.ERROR


@pytest.mark.asyncio
async def test_a_kind_that_is_not_listed_yet_is_waited_for() -> None:
    """Nothing is taken for missing before the first list."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    world.installed[DAEMONSETS, "nmstate"].synced = False
    del world.server.objects[DAEMONSETS, Key("nmstate", "nmstate-handler")]
    assert await world.reconcile() == Result(requeue_after=LIST_SECONDS)
    assert world.server.writes == []


@pytest.mark.asyncio
async def test_a_kind_of_some_clusters_holds_nothing_up() -> None:
    """Served, but not in the version that we know: all else is installed, and nothing taken for superfluous."""
    world = World()
    world.add("nmstate")
    world.unlisted.add(SERVICE_MONITORS)
    world.definitions.put(Object.from_dict({"metadata": {"name": crd_name(SERVICE_MONITORS)}}, CRDS))
    await world.reconcile()
    assert "DaemonSet nmstate/nmstate-handler" in world.server.writes
    owners = [{"apiVersion": "nmstate.io/v1", "kind": "NMState", "name": "nmstate", "uid": "nmstate"}]
    metadata = {"name": "needs-that-kind", "namespace": "nmstate", "uid": "1", "ownerReferences": owners}
    world.server.objects[DEPLOYMENTS, Key("nmstate", "needs-that-kind")] = {"metadata": metadata}
    assert await world.reconcile() == Result(requeue_after=OPTIONAL_SECONDS)
    assert world.server.writes == []

    world.installed[SERVICE_MONITORS, "nmstate"].synced = True
    await world.reconcile()
    assert world.server.writes == ["ServiceMonitor nmstate/nmstate-monitor", "delete needs-that-kind"]


@pytest.mark.asyncio
async def test_what_is_deleted_does_not_wait_for_its_pods() -> None:
    """Also when the NMState is gone already, and with it every other reason to look."""
    world = World()
    world.add("nmstate")
    await world.reconcile()
    handler = world.server.objects[DAEMONSETS, Key("nmstate", "nmstate-handler")]
    handler["metadata"] |= {"deletionTimestamp": BORN.isoformat(), "finalizers": ["foregroundDeletion", "else"]}
    del world.server.objects[NMSTATES, Key("", "nmstate")]
    await world.reconcile()
    assert handler["metadata"]["finalizers"] == ["else"]
    await world.reconcile()
    assert world.server.writes == []


@pytest.mark.asyncio
async def test_the_oldest_nmstate_stays() -> None:
    """Later ones are deleted, with an event that says why."""
    world = World()
    world.add("younger", age=10)
    world.add("nmstate", age=0)
    await world.reconcile()
    assert "delete younger" in world.server.writes
    assert world.recorder.told == [("younger", "SecondNMState")]
    assert world.phase() is NMStatePhase.DEPLOYING


@pytest.mark.asyncio
async def test_without_an_nmstate_nothing_is_written() -> None:
    """No NMState, none that is not about to go: the garbage collector is left alone."""
    world = World()
    await world.reconcile()
    assert world.server.writes == []
    world.add("nmstate")
    leaving = world.server.objects[NMSTATES, Key("", "nmstate")]
    leaving["metadata"]["deletionTimestamp"] = BORN.isoformat()
    await world.reconcile()
    assert world.server.writes == []


def test_age_then_name_decides() -> None:
    """Two of one second: the first by name, always the same one."""
    made = [{"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"} for name in ("b", "a")]
    assert [one.name for one in oldest_first(Object.from_dict({"metadata": meta}) for meta in made)] == ["a", "b"]


def test_nodes_are_kept_small_and_heartbeats_ignored() -> None:
    """Of a Node only its taints are kept, and only their change is a reason to look."""
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}

    def node(version: str, *taints: dict[str, str]) -> Object:
        whole = {
            "metadata": {"name": "n", "resourceVersion": version, "annotations": {"long": "text"}},
            "spec": {"taints": list(taints), "podCIDR": "10.0.0.0/24"},
            "status": {"images": ["many"]},
        }
        return without_details(Object.from_dict(whole, NODES))

    assert b"many" not in node("1").raw
    assert node("1").key == Key("", "n")
    assert not taints_changed(Event(node("1"), node("2")))
    assert taints_changed(Event(node("1"), node("2", taint)))
