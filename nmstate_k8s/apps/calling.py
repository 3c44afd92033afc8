"""How the controller is called: its certificate, kept by the leader if it can, and the webhooks of every replica."""

from __future__ import annotations

__all__ = ["certificates", "webhooks"]

from nmstate_k8s.api.meta import (
    CERTIFICATE_SECRET,
    CONTROLLER_MANAGER,
    MONITOR_SERVICE,
    WEBHOOK_CONFIGURATION,
    WEBHOOK_SERVICE,
)
from nmstate_k8s.apps.observing import node_states
from nmstate_k8s.apps.settings import ControllerSettings
from nmstate_k8s.controllers.admission import PolicyAdmission
from nmstate_k8s.controllers.certificatemetrics import CERTIFICATE_METRICS
from nmstate_k8s.core.admission import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from nmstate_k8s.core.certcontroller import SECRETS, Callers, CertificateReconciler, serve_from
from nmstate_k8s.core.controller import Controller
from nmstate_k8s.core.manager import Manager
from nmstate_k8s.core.objects import Key
from nmstate_k8s.core.tls import ServerTls
from nmstate_k8s.core.webhook import WebhookServer
from nmstate_k8s.domain.install.stack import prefixed
from nmstate_k8s.domain.kinds import NODES, POLICIES
from nmstate_k8s.domain.policy.facts import slim_node


def certificates(manager: Manager, settings: ControllerSettings, tls: ServerTls) -> Callers:
    """Keep certificates in the Secret, show what it says, and tell who trusts what."""
    secret = Key(settings.namespace, prefixed(settings.prefix, CERTIFICATE_SECRET))
    name = prefixed(settings.prefix, WEBHOOK_CONFIGURATION)
    hosts = [_host(settings, service) for service in (WEBHOOK_SERVICE, MONITOR_SERVICE)]
    kept = manager.informer(SECRETS, namespace=secret.namespace, field_selector=f"metadata.name={secret.name}")
    kept.add_handler(serve_from(secret, tls))
    kept.add_handler(CERTIFICATE_METRICS.handler(hosts, settings.durations))
    kinds = (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)
    callers = Callers()
    reconciler = CertificateReconciler(
        manager.client,  # not the leader's: each write is one that holds whoever makes it
        secret,
        hosts=hosts,
        configurations=[(kind, name) for kind in kinds],
        durations=lambda: settings.durations,
        field_manager=CONTROLLER_MANAGER,
        creates=False,
        leads=lambda: manager.leads,
        callers=callers,
    )
    kept.add_handler(reconciler.saw)
    controller = Controller("certificates", reconciler, clock=manager.clock)
    controller.watch(kept, lambda event: [secret])
    for kind in kinds:
        informer = manager.informer(kind, field_selector=f"metadata.name={name}")
        callers.follow(informer, name)
        controller.watch(informer, lambda event: [secret])
    manager.add(controller)
    return callers


def webhooks(manager: Manager, settings: ControllerSettings, tls: ServerTls, callers: Callers) -> WebhookServer:
    """Serve the webhooks. Ready means callable: by who trusts what the configurations say now."""
    admission = PolicyAdmission(
        manager.clock,
        policies=manager.informer(POLICIES).store,
        nodes=manager.informer(NODES, trim=slim_node).store,
        node_states=node_states(manager).store,
        allow_dispatch=settings.allow_dispatch,
    )
    server = WebhookServer(
        settings.webhook_address,
        tls,
        admission.webhooks,
        server_name=_host(settings, WEBHOOK_SERVICE),
        callers=callers,
    )
    manager.add_server(server)
    manager.add_ready_check("webhook", server.check)
    return server


def _host(settings: ControllerSettings, service: str) -> str:
    return f"{prefixed(settings.prefix, service)}.{settings.namespace}.svc"
