"""The operator: installs, heals and judges what an NMState asks for. One of its replicas leads."""

from __future__ import annotations

__all__ = ["main", "managed", "run", "installation"]

import asyncio
import sys

from nmstate_k8s.api.meta import APP, APP_LABEL, OPERATOR_LEASE, OPERATOR_MANAGER
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.apps.logs import configure_logging
from nmstate_k8s.apps.settings import OperatorSettings, SettingsError
from nmstate_k8s.controllers.installed import Installed
from nmstate_k8s.controllers.nmstate import Cluster, NMStateReconciler, taints_changed, to_stack, without_details
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.errors import ConfigError
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.manager import Manager, Stage
from nmstate_k8s.core.objects import Object, Resource
from nmstate_k8s.core.predicates import any_of, changed, created, deleted
from nmstate_k8s.domain.install.foreign import managers_only
from nmstate_k8s.domain.install.kinds import ENDPOINT_SLICES
from nmstate_k8s.domain.install.network import API_NAMESPACE, API_SERVICE_LABEL
from nmstate_k8s.domain.install.podfacts import slim_pod, symptoms
from nmstate_k8s.domain.install.render import installed_kinds
from nmstate_k8s.domain.install.stack import Stack
from nmstate_k8s.domain.install.surroundings import OPTIONAL
from nmstate_k8s.domain.kinds import CRDS, NMSTATES, NODES, PODS


def installation(manager: Manager, settings: OperatorSettings) -> Controller:
    """The controller that looks at the installation whenever something of it changes."""
    controller: Controller

    def follow(resource: Resource, namespace: str) -> Informer:
        if resource in OPTIONAL:  # one that cannot be listed is no reason not to be ready
            informer = Informer(manager.client, resource, namespace=namespace, label_selector=ours, trim=managers_only)
            manager.add(informer, stage=Stage.CACHES)
        else:
            informer = manager.informer(resource, namespace=namespace, label_selector=ours, trim=managers_only)
        controller.watch(informer, to_stack)
        return informer

    nmstates = manager.informer(NMSTATES)
    nodes = manager.informer(NODES, trim=without_details)
    endpoints = manager.informer(ENDPOINT_SLICES, namespace=API_NAMESPACE, label_selector=API_SERVICE_LABEL)
    definitions = manager.informer(CRDS.as_metadata())
    ours = f"{APP_LABEL}={APP}"
    pods = manager.informer(PODS, namespace=settings.install.namespace, label_selector=ours, trim=slim_pod)
    installed = Installed(follow)
    reconciler = NMStateReconciler(
        manager.leader_client,
        nmstates=nmstates.store,
        cluster=Cluster(nodes.store, endpoints.store, definitions.store, pods.store),
        installed=installed,
        settings=settings.install,
        clock=manager.clock,
        recorder=manager.event_recorder(OPERATOR_MANAGER, settings.identity),
    )
    controller = Controller("nmstate", reconciler, clock=manager.clock)
    controller.watch(nmstates, to_stack)
    controller.watch(nodes, to_stack, taints_changed)
    controller.watch(endpoints, to_stack)
    controller.watch(definitions, to_stack, any_of(created, deleted))
    controller.watch(pods, to_stack, changed(symptoms))
    plain = Stack.of(Object.from_dict({"metadata": {"name": ""}}, NMSTATES), NMStateSpec(), settings.install)
    installed.follow(installed_kinds(plain))
    return controller


def managed(client: Client, settings: OperatorSettings) -> Manager:
    """All of the program, ready to run."""
    election = LeaderElection(client, OPERATOR_LEASE, settings.namespace, settings.identity)
    manager = Manager(client, leader_election=election, health_address=settings.health_address)
    manager.add(installation(manager, settings), leader_only=True)
    return manager


async def run(settings: OperatorSettings, config: ClusterConfig) -> None:
    """Run until told to stop."""
    async with Client(config, user_agent=OPERATOR_MANAGER) as client:
        await managed(client, settings).run()


def main() -> None:
    """The program `nmstate-operator`."""
    try:
        settings = OperatorSettings.from_environment()
        config = ClusterConfig.in_cluster()
    except (SettingsError, ConfigError) as error:
        sys.exit(f"nmstate-operator: {error}")
    configure_logging(settings.log_level)
    asyncio.run(run(settings, config))
