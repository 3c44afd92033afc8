"""The node's handler: carries out the enactments of its node and reports the node's state.

It starts, says how it is, and ends what an earlier handler left behind without the API server.
"""

from __future__ import annotations

__all__ = ["main", "run"]

import asyncio
import sys

from nmstate_k8s.api.meta import HANDLER_MANAGER
from nmstate_k8s.apps.environment import SettingsError
from nmstate_k8s.apps.logs import configure_logging
from nmstate_k8s.apps.node_settings import NodeSettings
from nmstate_k8s.controllers.enactment import EnactmentReconciler, Node
from nmstate_k8s.controllers.enactmentwriter import ClientEnactmentWriter, EnactmentWriter
from nmstate_k8s.controllers.nodeevents import TellingWriter, about_node
from nmstate_k8s.controllers.nodemetrics import NODE_METRICS
from nmstate_k8s.controllers.nodestate import NodeStateReporter
from nmstate_k8s.controllers.nodestatewriter import ClientNodeStateWriter
from nmstate_k8s.controllers.takeover import Afterwards, Takeover
from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.errors import ConfigError
from nmstate_k8s.core.events import EventRecorder
from nmstate_k8s.core.manager import Manager, Stage
from nmstate_k8s.core.predicates import generation_changed
from nmstate_k8s.domain.desired.secrets import Redactor
from nmstate_k8s.domain.enactment.naming import node_selector
from nmstate_k8s.domain.host.boot import boot_id
from nmstate_k8s.domain.host.churn import Churn
from nmstate_k8s.domain.host.executor import Executor
from nmstate_k8s.domain.host.journal import Journal
from nmstate_k8s.domain.host.lock import NodeLock
from nmstate_k8s.domain.host.memory import keep_small
from nmstate_k8s.domain.host.netlink import NetlinkWatch
from nmstate_k8s.domain.host.nmstate_binding import LibnmstateHost, nmstate_version
from nmstate_k8s.domain.host.outcome import Outcome
from nmstate_k8s.domain.host.ovsdb import SOCKET, ovsdb_changes
from nmstate_k8s.domain.host.parachute.unit import UNITS, RestoreUnit
from nmstate_k8s.domain.host.probes.node import NodeProbes
from nmstate_k8s.domain.host.protocol import Host
from nmstate_k8s.domain.host.reading import StateReader
from nmstate_k8s.domain.host.signals import SignalWatch
from nmstate_k8s.domain.host.transaction import Transactions
from nmstate_k8s.domain.kinds import ENACTMENTS, NODE_STATES_METADATA

GRACE_SECONDS = 920.0
"""A little less than the pod's: a transaction ends in commit or rollback, not in SIGKILL."""

EVENTS_AT_ONCE, EVENTS_A_SECOND = 100, 0.5
"""All events of a handler are about one object, its node: a reboot with forty policies is no flood."""


async def run(
    settings: NodeSettings,
    config: ClusterConfig,
    host: Host,
    *,
    signals: bool = True,
    redactor: Redactor | None = None,
) -> None:
    """Run until told to stop, or cancelled. The redactor learns the secrets of all policies that are seen."""
    async with Client(config, user_agent=HANDLER_MANAGER) as client:
        address = settings.health_address
        manager = Manager(
            client,
            health_address=address,
            metrics_address=address,
            grace_seconds=GRACE_SECONDS,
            address_wait_seconds=GRACE_SECONDS,  # the handler before us may still end a change
        )
        recorder = manager.event_recorder(
            HANDLER_MANAGER, settings.identity, burst=EVENTS_AT_ONCE, refill_a_second=EVENTS_A_SECOND
        )
        churn = Churn()
        watch = NetlinkWatch(churn, lambda: reporter.changed())
        reader = StateReader(host, watch.heard)
        reporter = NodeStateReporter(
            host,
            ClientNodeStateWriter(client, settings.node),
            reader=reader,
            nmstate_version=nmstate_version(),
            watched=churn,
            measured=NODE_METRICS,
            clock=manager.clock,
        )
        transactions = _transactions(settings, manager, host, reader, recorder, reporter)
        takeover = Takeover(NodeLock(settings.lock_file), transactions, _parachute(settings, host), clock=manager.clock)
        manager.add_ready_check("takeover", takeover.problem)
        manager.add(takeover, stage=Stage.SERVERS)
        writer = TellingWriter(ClientEnactmentWriter(client), about_node(recorder, settings.node))
        node = Node(settings.node, await asyncio.to_thread(boot_id))
        enactments = _enactments(settings, node, manager, transactions, writer, redactor or Redactor())
        manager.add(Afterwards(takeover, enactments))
        _report(settings, manager, host, takeover, reporter, watch)
        try:
            await manager.run(signals=signals)
        finally:
            await transactions.wait_idle()
            await asyncio.to_thread(takeover.release)


def _transactions(
    settings: NodeSettings,
    manager: Manager,
    host: Host,
    reader: StateReader,
    recorder: EventRecorder,
    reporter: NodeStateReporter,
) -> Transactions:
    client, clock = manager.client, manager.clock

    def ended(outcome: Outcome) -> None:
        NODE_METRICS.transaction(outcome)
        if outcome.touched or outcome.rollback_seconds is not None:
            reporter.refresh()

    executor = Executor(
        host,
        NodeProbes(client, settings.node, name_servers=host.name_servers, clock=clock),
        Journal(settings.journal, root=settings.host, lock=settings.lock_file),
        clock=clock,
        reader=reader,
        notify=about_node(recorder, settings.node),
        network_changed=client.reset_connections,
        allow_dispatch=settings.allow_dispatch,
    )
    return Transactions(
        executor,
        clock=clock,
        failpoints=settings.failpoints,
        busy=reporter.hold,
        ended=ended,
    )


def _parachute(settings: NodeSettings, host: Host) -> RestoreUnit:
    folder = settings.host / UNITS.relative_to("/")
    return RestoreUnit(host, settings.journal, folder=folder, wanted=settings.parachute)


def _enactments(
    settings: NodeSettings,
    node: Node,
    manager: Manager,
    transactions: Transactions,
    writer: EnactmentWriter,
    redactor: Redactor,
) -> Controller:
    enactments = manager.informer(ENACTMENTS, label_selector=node_selector(node.name))
    reconciler = EnactmentReconciler(
        node=node,
        store=enactments.store,
        writer=writer,
        transactions=transactions,
        clock=manager.clock,
        retries=settings.retries,
        redactor=redactor,
        probes=settings.probes,
    )
    controller = Controller("enactment", reconciler, grace_seconds=GRACE_SECONDS, clock=manager.clock)
    controller.watch(enactments, predicate=generation_changed)
    return controller


def _report(
    settings: NodeSettings,
    manager: Manager,
    host: Host,
    takeover: Takeover,
    reporter: NodeStateReporter,
    watch: NetlinkWatch,
) -> None:
    own = manager.informer(NODE_STATES_METADATA, field_selector=f"metadata.name={settings.node}")
    own.add_handler(reporter.on_event)
    manager.add(Afterwards(takeover, watch))
    database = settings.host / SOCKET.relative_to("/")
    for listen in (host.signals, lambda: ovsdb_changes(database)):
        manager.add(Afterwards(takeover, SignalWatch(listen, watch.elsewhere, clock=manager.clock)))
    manager.add(Afterwards(takeover, reporter))


def main() -> None:
    """The program `nmstate-handler node`."""
    keep_small()
    try:
        settings = NodeSettings.from_environment()
        config = ClusterConfig.in_cluster()
    except (SettingsError, ConfigError) as error:
        sys.exit(f"nmstate-handler: {error}")
    redactor = Redactor()
    configure_logging(settings.log_level, redact=redactor.log_processor)
    asyncio.run(run(settings, config, LibnmstateHost(), redactor=redactor))
