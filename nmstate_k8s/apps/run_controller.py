"""The controller: brings policies to nodes and sums them up. One of its replicas leads; all of them know the world."""

from __future__ import annotations

__all__ = ["main", "managed", "policies", "run"]

import asyncio
import sys

from nmstate_k8s.api.meta import CONTROLLER_LEASE, CONTROLLER_MANAGER, HANDLER_SELECTOR
from nmstate_k8s.apps.calling import certificates, webhooks
from nmstate_k8s.apps.logs import configure_logging
from nmstate_k8s.apps.observing import cluster_metrics, metrics_server
from nmstate_k8s.apps.settings import ControllerSettings, SettingsError
from nmstate_k8s.controllers.policy import PolicyReconciler
from nmstate_k8s.controllers.policystatus import PolicyStatusReconciler
from nmstate_k8s.controllers.policywatch import said_anew, watch_policies
from nmstate_k8s.controllers.world import World
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.errors import ConfigError
from nmstate_k8s.core.leaderelection import LeaderElection
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, NODES, PODS, POLICIES
from nmstate_k8s.domain.policy.facts import slim_enactment, slim_node, slim_pod

WORKERS = 4


def policies(manager: Manager, settings: ControllerSettings) -> tuple[Controller, Controller]:
    """The controllers of the rollout and of the policies' status, which look at the same world."""
    informer = manager.informer(POLICIES)
    nodes = manager.informer(NODES, trim=slim_node)
    pods = manager.informer(PODS, namespace=settings.namespace, label_selector=HANDLER_SELECTOR, trim=slim_pod)
    enactments = manager.informer(ENACTMENTS, trim=slim_enactment)
    nmstates = manager.informer(NMSTATES)
    world = World(manager.clock, own_node=settings.node)
    world.follow(nodes=nodes, pods=pods, enactments=enactments, nmstates=nmstates)

    client, store = manager.leader_client, informer.store
    events = manager.event_recorder(CONTROLLER_MANAGER, settings.identity)
    rollout = Controller("policy", PolicyReconciler(client, store, world), workers=WORKERS, clock=manager.clock)
    status = Controller(
        "policystatus", PolicyStatusReconciler(client, store, world, events), workers=WORKERS, clock=manager.clock
    )
    for controller, when in ((rollout, said_anew), (status, None)):
        watch_policies(
            controller,
            policies=informer,
            nodes=nodes,
            pods=pods,
            enactments=enactments,
            nmstates=nmstates,
            world=world,
            when=when,
        )
    return rollout, status


def managed(
    client: Client,
    settings: ControllerSettings,
    tls: ServerTls | None = None,
    *,
    election: LeaderElection | None = None,
) -> Manager:
    """All of the program, ready to run; `tls` has the certificate that it shows; `election`: none but the usual one."""
    election = election or LeaderElection(client, CONTROLLER_LEASE, settings.namespace, settings.identity)
    manager = Manager(client, leader_election=election, health_address=settings.health_address)
    for controller in policies(manager, settings):
        manager.add(controller, leader_only=True)
    cluster_metrics(manager, settings.namespace)
    tls = tls or ServerTls()
    if settings.webhook_address:
        webhooks(manager, settings, tls, certificates(manager, settings, tls))
    if settings.metrics_address:
        metrics_server(manager, settings.metrics_address, tls)
    return manager


async def run(settings: ControllerSettings, config: ClusterConfig) -> None:
    """Run until told to stop."""
    async with Client(config, user_agent=CONTROLLER_MANAGER) as client:
        await managed(client, settings).run()


def main() -> None:
    """The program `nmstate-handler controller`."""
    try:
        settings = ControllerSettings.from_environment()
        config = ClusterConfig.in_cluster()
    except (SettingsError, ConfigError) as error:
        sys.exit(f"nmstate-handler controller: {error}")
    configure_logging(settings.log_level)
    asyncio.run(run(settings, config))
