"""When the controller's certificates are due to be renewed, and when they end: they renew by themselves, and one that
is late is a matter for somebody.
"""

from __future__ import annotations

__all__ = ["CERTIFICATE_METRICS", "CertificateMetrics"]

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Gauge

from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.metrics import METRICS
from nmstate_k8s.core.rotation import Durations


class _Secret(msgspec.Struct):
    data: dict[str, bytes] = msgspec.field(default_factory=dict)


class CertificateMetrics:
    """The figures of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix, by = "nmstate_certificate", ["certificate"]
        self._renewal = Gauge(
            f"{prefix}_renewal_timestamp_seconds",
            "When the certificate is to be renewed, since 1970: serving, or authority (the newest CA)",
            by,
            registry=registry,
        )
        self._expiry = Gauge(
            f"{prefix}_expiry_timestamp_seconds", "When the certificate expires, since 1970", by, registry=registry
        )

    def handler(self, hosts: Sequence[str], durations: Durations) -> Callable[[Event], None]:
        """For an informer of the Secret. What is damaged or gone changes nothing: it is served all the same."""

        def handle(event: Event) -> None:
            if event.new is None:
                return
            ring = Keyring.from_data(event.new.view(_Secret).data, hosts).facts
            if ring.leaf is not None:
                self._show("serving", ring.leaf.made + durations.cert_rotate, ring.leaf.expires)
            if ring.authorities:
                newest = ring.authorities[-1]
                self._show("authority", newest.made + durations.ca_rotate, newest.expires)

        return handle

    def _show(self, certificate: str, renewal: datetime, expiry: datetime) -> None:
        self._renewal.labels(certificate).set(renewal.timestamp())
        self._expiry.labels(certificate).set(expiry.timestamp())


CERTIFICATE_METRICS: Final = CertificateMetrics(METRICS.registry)
"""What a process uses; a test may make `CertificateMetrics` of its own."""
