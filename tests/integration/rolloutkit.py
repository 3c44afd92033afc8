"""A cluster for the controller's tests: real API server, nodes and handler pods that are objects only.

`Cluster` plays the nodes and handlers: it writes what they would write. `Watcher` sees every version of every
enactment, independently of the code under test, and remembers how many nodes held a slot at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from nmstate_k8s.api.conditions import EnactmentPhase, PolicyPhase, enactment_conditions, policy_phase
from nmstate_k8s.api.enactment import Enactment
from nmstate_k8s.api.meta import COMPONENT_LABEL, HANDLER_COMPONENT, HANDLER_MANAGER
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.api.policy import Policy, PolicyStatus
from nmstate_k8s.apps.run_controller import managed
from nmstate_k8s.apps.settings import ControllerSettings
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.errors import AlreadyExists, NotFound
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Object
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.domain.install.access import access
from nmstate_k8s.domain.install.kinds import NAMESPACES
from nmstate_k8s.domain.install.monitoring import monitoring
from nmstate_k8s.domain.install.stack import InstallSettings, Stack
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, NODES, PODS, POLICIES
from nmstate_k8s.domain.policy.facts import EnactmentFacts, enactment_facts

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0

T = TypeVar("T")


async def until(question: Callable[[], Awaitable[T]], what: str, patience: float = PATIENCE) -> T:
    """The first answer that is true; asked again and again."""
    answer: T | None = None
    try:
        async with asyncio.timeout(patience):
            while not (answer := await question()):  # noqa: ASYNC110 (the API server is the other side)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"after {patience} s it is still not so that {what}: {answer!r}") from None
    return answer


def example(name: str) -> dict[str, Any]:
    """An example of manifests/."""
    value: dict[str, Any] = yaml.safe_load((ROOT / "manifests" / "examples" / f"{name}.yaml").read_text())
    return value


class Watcher:
    """Every version of each enactment of a policy, and the most nodes that ever held a slot at once."""

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self._now: dict[str, EnactmentFacts] = {}
        self.most = 0
        self.history: dict[str, list[EnactmentFacts]] = {}

    async def watch(self, client: Client, version: str) -> None:
        """Look on until cancelled."""
        async with aclosing(client.watch(ENACTMENTS, resource_version=version)) as events:
            async for event in events:
                if event.type not in ("ADDED", "MODIFIED", "DELETED"):
                    continue
                self._see(event.type, enactment_facts(event.object))

    def _see(self, what: str, facts: EnactmentFacts) -> None:
        if facts.policy != self._policy:
            return
        if what == "DELETED":
            self._now.pop(facts.node, None)
        else:
            self._now[facts.node] = facts
            self.history.setdefault(facts.node, []).append(facts)
        self.most = max(self.most, sum(each.working for each in self._now.values()))


class Cluster:
    """Nodes, handlers, users."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self._nodes: list[str] = []
        self._policies: set[str] = set()

    # --- The cluster ----------------------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """The namespace of handlers and controller, and that of events."""
        for name in (self.namespace, "default"):
            with contextlib.suppress(AlreadyExists):
                await self.client.create(NAMESPACES, {"metadata": {"name": name}})

    async def add_node(self, name: str, *, ready: bool = True, handler: bool = True, **labels: str) -> None:
        """A Node, labelled with this cluster's name, and its handler."""
        await self.client.create(NODES, {"metadata": {"name": name, "labels": {"lab": self.namespace, **labels}}})
        self._nodes.append(name)
        await self.set_ready(name, ready)
        if handler:
            await self.add_handler(name)

    async def set_ready(self, name: str, ready: bool) -> None:
        """What the node's kubelet, or the node controller, says."""
        condition = {"type": "Ready", "status": str(ready), "reason": "Test", "message": ""}
        await self.client.merge_patch(NODES, name, {"status": {"conditions": [condition]}}, subresource="status")

    async def label(self, name: str, **labels: str | None) -> None:
        """Set labels of a node, or take them away."""
        await self.client.merge_patch(NODES, name, {"metadata": {"labels": labels}})

    async def delete_node(self, name: str) -> None:
        """As an administrator does; its enactments are collected by Kubernetes, in time."""
        self._nodes.remove(name)
        await self.client.delete(NODES, name)

    async def add_handler(self, node: str) -> None:
        """The DaemonSet's pod on a node."""
        pod = {
            "metadata": {
                "name": f"handler-{node}",
                "namespace": self.namespace,
                "labels": {COMPONENT_LABEL: HANDLER_COMPONENT},
            },
            "spec": {
                "nodeName": node,
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "handler", "image": "handler"}],
            },
        }
        await self.client.create(PODS, pod)

    async def clean(self) -> None:
        """Take everything away again."""
        for name in self._policies:
            with contextlib.suppress(NotFound):
                await self.client.delete(POLICIES, name)
        for each in (await self.client.list(ENACTMENTS)).items:
            if not each.name.startswith(self.namespace):
                continue
            with contextlib.suppress(NotFound):
                await self.client.delete(ENACTMENTS, each.name)
        for pod in (await self.client.list(PODS, self.namespace)).items:  # also of nodes that are no more
            with contextlib.suppress(NotFound):
                path = PODS.path(pod.name, self.namespace)
                await self.client.request("DELETE", path, {"gracePeriodSeconds": 0})
        for name in self._nodes:
            await self.client.delete(NODES, name)

    # --- Users ------------------------------------------------------------------------------------------------

    async def apply(self, name: str, spec: dict[str, Any] | None = None) -> Object:
        """kubectl apply of a policy for this cluster's nodes."""
        self._policies.add(name)
        spec = spec or {}
        selector = {"lab": self.namespace, **spec.get("nodeSelector", {})}
        state = {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up"}]}
        body = {"metadata": {"name": name}, "spec": {"desiredState": state, **spec, "nodeSelector": selector}}
        return await self.client.apply(POLICIES, body, field_manager="kubectl")

    async def status(self, name: str) -> PolicyStatus:
        """The policy's status as anybody can read it."""
        return (await self.client.get(POLICIES, name)).view(Policy).status

    async def phase(self, name: str, phase: PolicyPhase, message: str = "", patience: float = PATIENCE) -> PolicyStatus:
        """Wait until the policy, in its newest generation, is in this phase and says so."""

        async def reached() -> PolicyStatus | None:
            obj = await self.client.get(POLICIES, name)
            status = obj.view(Policy).status
            current = {obj.metadata.generation} == {each.observed_generation for each in status.conditions}
            true = next((each.message for each in status.conditions if each.status == "True"), "")
            return status if current and policy_phase(status.conditions) is phase and message in true else None

        return await until(reached, f"{name} is {phase.value}: {message}", patience)  # type: ignore[return-value]

    # --- Nodes --------------------------------------------------------------------------------------------------

    async def enactment(self, node: str, policy: str) -> Object:
        """The enactment, when it is there."""

        async def there() -> Object | None:
            try:
                return await self.client.get(ENACTMENTS, f"{node}.{policy}")
            except NotFound:
                return None

        return await until(there, f"{node}.{policy} exists")  # type: ignore[return-value]

    async def admitted(self, node: str, policy: str, generation: int = 1) -> Enactment:
        """Wait until the node is admitted to a generation."""

        async def so() -> Enactment | None:
            view = (await self.enactment(node, policy)).view(Enactment)
            return view if view.spec and view.spec.policy_generation == generation else None

        return await until(so, f"{node} is admitted to {policy}")  # type: ignore[return-value]

    async def report(self, node: str, policy: str, phase: EnactmentPhase, message: str = "") -> None:
        """What a node's handler writes about the generation that it was admitted to."""
        await self.report_of(await self.enactment(node, policy), phase, message)

    async def report_of(self, obj: Object, phase: EnactmentPhase, message: str = "") -> None:
        """The same of a certain version of an enactment."""
        view = obj.view(Enactment)
        assert view.spec is not None, f"{obj.name} is not admitted, its node would not write"
        conditions = enactment_conditions(phase, message, now=datetime.now(UTC), previous=view.status.conditions)
        body = {
            "metadata": {"name": obj.name, "uid": obj.uid},
            "status": {"conditions": conditions, "policyGeneration": view.spec.policy_generation},
        }
        await self.client.apply(ENACTMENTS, body, field_manager=HANDLER_MANAGER, subresource="status")

    async def in_phase(self, node: str, policy: str, phase: EnactmentPhase, generation: int = 1) -> EnactmentFacts:
        """Wait until the enactment is in a phase of a generation."""

        async def so() -> EnactmentFacts | None:
            facts = enactment_facts(await self.enactment(node, policy))
            return facts if facts.phase_of(generation) is phase else None

        return await until(so, f"{node}.{policy} is {phase.value}")  # type: ignore[return-value]

    async def gone(self, node: str, policy: str) -> None:
        """Wait until there is no enactment."""

        async def so() -> bool:
            names = {each.name for each in (await self.client.list(ENACTMENTS)).items}
            return f"{node}.{policy}" not in names

        await until(so, f"{node}.{policy} is gone")

    @asynccontextmanager
    async def watching(self, policy: str) -> AsyncIterator[Watcher]:
        """An independent watcher of a policy's enactments."""
        watcher = Watcher(policy)
        version = (await self.client.list(ENACTMENTS)).resource_version
        task = asyncio.create_task(watcher.watch(self.client, version))
        try:
            yield watcher
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def grant(client: Client, namespace: str) -> str:
    """Give the controller the rights that the operator gives it; the user's name."""
    settings = InstallSettings(handler_image="handler", namespace=namespace, prefix=namespace)
    nmstate = Object.from_dict({"metadata": {"name": "test"}}, NMSTATES)
    stack = Stack.of(nmstate, NMStateSpec(), settings)
    for manifest in (*access(stack), *monitoring(stack, ())):
        body = dict(manifest.body)
        body["metadata"] = {name: value for name, value in body["metadata"].items() if name != "ownerReferences"}
        await client.apply(manifest.resource, body, field_manager="test")
    return f"system:serviceaccount:{namespace}:{stack.name('nmstate-controller')}"


@asynccontextmanager
async def controller(
    config: ClusterConfig, namespace: str, *, metrics_address: str = "", tls: ServerTls | None = None
) -> AsyncIterator[Manager]:
    """The controller, as its program runs it, until the block ends."""
    settings = ControllerSettings(
        namespace=namespace, identity="test", health_address="", log_level="info", metrics_address=metrics_address
    )
    async with Client(config) as client:
        manager = managed(client, settings, tls)
        task = asyncio.create_task(manager.run(signals=False))
        try:
            yield manager
        finally:
            manager.stop()
            await task
