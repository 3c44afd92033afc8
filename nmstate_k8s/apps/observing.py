"""How the controller is watched: what it shows of the cluster while it leads, and to whom."""

from __future__ import annotations

__all__ = ["cluster_metrics", "metrics_server", "node_states"]

from nmstate_k8s.api.meta import HANDLER_SELECTOR
from nmstate_k8s.controllers.clustermetrics import ClusterMetrics
from nmstate_k8s.core.doorkeeper import Doorkeeper
from nmstate_k8s.core.informer import Informer
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.metrics import METRICS
from nmstate_k8s.core.metricsaccess import AccessReviewer, guarded
from nmstate_k8s.core.serving import HttpServer, metrics_routes
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.domain.admission.known import slim_node_state
from nmstate_k8s.domain.kinds import ENACTMENTS, NMSTATES, NODE_STATES, NODES, PODS, POLICIES
from nmstate_k8s.domain.observed.nodestate import counted
from nmstate_k8s.domain.policy.facts import slim_enactment, slim_node, slim_pod

CONNECTIONS = 50
"""To the server of metrics: a Prometheus keeps one."""


def cluster_metrics(manager: Manager, namespace: str) -> None:
    """Add the gauges about the cluster.

    They look at the same objects as the rollout and the webhooks do.
    """
    metrics = ClusterMetrics(METRICS.registry)
    metrics.follow(
        policies=manager.informer(POLICIES),
        enactments=manager.informer(ENACTMENTS, trim=slim_enactment),
        nodes=manager.informer(NODES, trim=slim_node),
        pods=manager.informer(PODS, namespace=namespace, label_selector=HANDLER_SELECTOR, trim=slim_pod),
        node_states=node_states(manager),
        nmstates=manager.informer(NMSTATES),
    )
    manager.add(metrics, leader_only=True)


def node_states(manager: Manager) -> Informer:
    """The NodeNetworkStates: of each what admission looks at, and the counts. They are large, and kept once."""
    return manager.informer(NODE_STATES, trim=lambda whole: counted(whole, slim_node_state(whole)))


def metrics_server(manager: Manager, address: str, tls: ServerTls) -> HttpServer:
    """Add the server of the process's figures: HTTPS, for those whom the API server says may read them."""
    routes = guarded(metrics_routes(METRICS.registry), AccessReviewer(manager.client))
    server = HttpServer(
        address, routes, name="metrics", ssl_context=tls.context, doorkeeper=Doorkeeper(most=CONNECTIONS)
    )
    manager.add_server(server)
    return server
