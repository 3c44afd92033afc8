"""What the controller reads from its environment."""

from __future__ import annotations

from nmstate_k8s.apps.settings import ControllerSettings, Environment


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
