"""The operator: installs, heals and judges what an NMState asks for. One of its replicas leads."""

from __future__ import annotations

__all__ = ["main", "managed", "run", "installation"]

import asyncio
import sys

from nmstate_k8s.api.meta import APP, APP_LABEL, OPERATOR_LEASE, OPERATOR_MANAGER
from nmstate_k8s.api.nmstate import NMStateSpec
from nmstate_k8s.apps.logs import configure_logging
from nmstate_k8s.apps.settings import OperatorSettings, SettingsError
from nmstate_k8s.controllers.nmstate import NMStateReconciler, taints_changed, to_stack, without_details
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.errors import ConfigError
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.install.render import installed_kinds
from nmstate_k8s.domain.install.stack import Stack
from nmstate_k8s.domain.kinds import NMSTATES, NODES


def installation(manager: Manager, settings: OperatorSettings) -> Controller:
    """The controller that looks at the installation whenever something of it changes."""
    nmstates = manager.informer(NMSTATES)
    nodes = manager.informer(NODES, trim=without_details)
    plain = Stack.of(Object.from_dict({"metadata": {"name": ""}}, NMSTATES), NMStateSpec(), settings.install)
    installed = {
        (resource, namespace): manager.informer(resource, namespace=namespace, label_selector=f"{APP_LABEL}={APP}")
        for resource, namespace in installed_kinds(plain)
    }
    reconciler = NMStateReconciler(
        manager.leader_client,
        nmstates=nmstates.store,
        nodes=nodes.store,
        installed={kind: informer.store for kind, informer in installed.items()},
        settings=settings.install,
        clock=manager.clock,
        recorder=manager.event_recorder(OPERATOR_MANAGER, settings.identity),
    )
    controller = Controller("nmstate", reconciler, clock=manager.clock)
    controller.watch(nmstates, to_stack)
    controller.watch(nodes, to_stack, taints_changed)
    for informer in installed.values():
        controller.watch(informer, to_stack)
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
