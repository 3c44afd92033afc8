"""When certificates are due, as Prometheus is told."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from nmstate_k8s.controllers.certificatemetrics import CertificateMetrics
from nmstate_k8s.core.certificates import Keyring
from nmstate_k8s.core.informer import Event
from nmstate_k8s.core.objects import Object
from nmstate_k8s.core.rotation import Durations, Step, plan

HOSTS = ("nmstate-monitor.nmstate.svc",)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DURATIONS = Durations(ca_rotate=timedelta(days=30), cert_rotate=timedelta(days=7), cert_overlap=timedelta(hours=6))


def ring(now: datetime) -> Keyring:
    """What there is when nothing is left to be done."""
    made = Keyring(HOSTS)
    while (todo := plan(made.facts, now, DURATIONS, injected=True)).step is not None:
        made = made.do(todo.step, todo.authority, now, DURATIONS)
    return made


def told(data: dict[str, bytes]) -> Event:
    """The informer of the Secret tells of this content."""
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    return Event(None, Object.from_dict({"metadata": {"name": "certificates"}, "data": encoded}))


def shown(registry: CollectorRegistry, figure: str, certificate: str) -> float | None:
    """What a scrape sees."""
    return registry.get_sample_value(f"nmstate_certificate_{figure}_timestamp_seconds", {"certificate": certificate})


def test_both_certificates_say_when_they_are_due_and_when_they_end() -> None:
    """As the plan has it: nothing is late while the plan is followed."""
    registry = CollectorRegistry()
    handle = CertificateMetrics(registry).handler(HOSTS, DURATIONS)
    assert shown(registry, "expiry", "serving") is None
    handle(told(ring(NOW).to_data()))
    assert shown(registry, "renewal", "serving") == (NOW + timedelta(days=7)).timestamp()
    assert shown(registry, "expiry", "serving") == (NOW + timedelta(days=7, hours=6)).timestamp()
    assert shown(registry, "renewal", "authority") == (NOW + timedelta(days=30)).timestamp()
    expiry = shown(registry, "expiry", "authority")
    assert expiry is not None
    assert expiry > (NOW + timedelta(days=30)).timestamp()


def test_a_renewal_is_told_and_damage_is_not() -> None:
    """What is served still is served when the Secret is emptied, garbled or deleted."""
    registry = CollectorRegistry()
    handle = CertificateMetrics(registry).handler(HOSTS, DURATIONS)
    first = ring(NOW)
    handle(told(first.to_data()))
    later = NOW + timedelta(days=7)
    renewed = first.do(Step.MAKE_LEAF, first.facts.authorities[-1].id, later, DURATIONS)
    handle(told(renewed.to_data()))
    due = (later + timedelta(days=7)).timestamp()
    assert shown(registry, "renewal", "serving") == due
    for damaged in ({}, {"tls.crt": b"garbage", "tls.key": b"garbage"}, {"ca.crt": b"\xff"}):
        handle(told(damaged))
        assert shown(registry, "renewal", "serving") == due
    handle(Event(Object.from_dict({"metadata": {"name": "certificates"}}), None))
    assert shown(registry, "renewal", "serving") == due
