"""What the controller reads from its environment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from nmstate_k8s.apps.settings import ControllerSettings, Environment, SettingsError
from nmstate_k8s.core.rotation import Durations


def read(**values: str) -> ControllerSettings:
    """The settings of an environment."""
    return ControllerSettings.from_environment(Environment(values))


def test_a_pod_knows_where_and_who_it_is() -> None:
    """Its own namespace comes before the configured one."""
    settings = read(POD_NAMESPACE="ours", HANDLER_NAMESPACE="other", POD_NAME="controller-1", LOG_LEVEL="debug")
    assert (settings.namespace, settings.identity, settings.log_level) == ("ours", "controller-1", "debug")


def test_everything_has_a_default() -> None:
    """Outside a pod the host's name tells candidates apart."""
    settings = read()
    assert (settings.namespace, settings.health_address, settings.log_level) == ("nmstate", ":8081", "info")
    assert settings.identity


def test_certificates_live_as_long_as_the_nmstate_says() -> None:
    """As Go writes durations; what is not said is as usual."""
    durations = read(CA_ROTATE_INTERVAL="100h0m0s", CERT_OVERLAP_INTERVAL="1h30m").durations
    assert durations == replace(
        Durations(), ca_rotate=timedelta(hours=100), cert_overlap=timedelta(hours=1, minutes=30)
    )
    assert read().durations == Durations()


def test_a_duration_that_is_none_is_named() -> None:
    """With the variable."""
    with pytest.raises(SettingsError, match="CA_ROTATE_INTERVAL is 'soon'"):
        read(CA_ROTATE_INTERVAL="soon")


def test_a_duration_of_nothing_is_as_usual() -> None:
    """Zero would mean to rotate for ever, and a moment nearly so."""
    assert read(CERT_ROTATE_INTERVAL="0s").durations == Durations()
    assert read(CERT_ROTATE_INTERVAL="1ms").durations.cert_rotate == timedelta(minutes=1)
