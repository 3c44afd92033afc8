"""A complete controller: each Greeting has a ConfigMap with its text, which is made again whenever somebody changes it.

In a pod: `python greeting.py`; elsewhere: `python greeting.py KUBECONFIG`. The kind is in greeting-crd.yaml.
"""

import asyncio
import sys

import msgspec

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller, Result
from nmstate_k8s.core.errors import TerminalError
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.mappers import owner_of
from nmstate_k8s.core.objects import Key, Resource

GREETINGS = Resource("example.com", "v1", "greetings", "Greeting", namespaced=True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
OURS = "app.kubernetes.io/managed-by=greeter"


class Greeting(msgspec.Struct):  # what we read of it, decoded when it is read
    spec: dict[str, str]


class Greeter:
    def __init__(self, manager: Manager) -> None:
        self.client = manager.leader_client
        self.greetings = manager.informer(GREETINGS).store
        self.events = manager.event_recorder("greeter", "greeter-0")

    async def reconcile(self, key: Key) -> Result | None:
        greeting = self.greetings.get(key)
        if greeting is None:
            return None  # the garbage collector takes the ConfigMap with its owner
        name = greeting.view(Greeting).spec.get("name", "")
        if not name:
            raise TerminalError("spec.name is empty: say whom to greet")  # not again until it changes
        owner = {"apiVersion": GREETINGS.api_version, "kind": GREETINGS.kind, "name": key.name, "uid": greeting.uid}
        wanted = {
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "labels": dict([OURS.split("=")]),
                "ownerReferences": [owner | {"controller": True}],
            },
            "data": {"text": f"Hello, {name}!"},
        }
        await self.client.apply(CONFIG_MAPS, wanted, field_manager="greeter")  # changes nothing if it is so already
        self.events.event(greeting, "Normal", "Greeted", f"said hello to {name}")
        return Result(requeue_after=600)  # look again in ten minutes, for no other reason


async def main(config: ClusterConfig) -> None:
    async with Client(config) as client:
        manager = Manager(client, health_address="127.0.0.1:0")
        controller = Controller("greeter", Greeter(manager), workers=4)
        controller.watch(manager.informer(GREETINGS))
        controller.watch(manager.informer(CONFIG_MAPS, label_selector=OURS), owner_of(GREETINGS))
        manager.add(controller)
        await manager.run()  # until SIGTERM


if __name__ == "__main__":
    asyncio.run(main(ClusterConfig.from_kubeconfig(sys.argv[1]) if sys.argv[1:] else ClusterConfig.in_cluster()))
