"""What the operator and the controller are told from outside.

- One frozen value for each program, made once, by ``from_environment``; nothing else looks at ``os.environ``.
- A variable that is missing or cannot be read ends the program at its start, with the variable's name.
"""

from __future__ import annotations

__all__ = ["ControllerSettings", "Environment", "SettingsError", "OperatorSettings"]

import socket
from dataclasses import dataclass, field
from datetime import timedelta

from nmstate_k8s.apps.environment import Environment, SettingsError, log_level
from nmstate_k8s.core.rotation import Durations
from nmstate_k8s.domain.install.stack import InstallSettings


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """The operator's."""

    install: InstallSettings
    namespace: str
    """Where the operator itself runs, and its lease lies."""
    identity: str
    health_address: str
    log_level: str

    @classmethod
    def from_environment(cls, environment: Environment | None = None) -> OperatorSettings:
        """Read RELATED_IMAGE_*, HANDLER_*, *_NAMESPACE, POD_NAME, NNCP_* and LOG_LEVEL."""
        env = environment or Environment()
        handler_namespace = env.text("HANDLER_NAMESPACE", "nmstate")
        return cls(
            install=InstallSettings(
                handler_image=env.text("RELATED_IMAGE_HANDLER_IMAGE"),
                image_pull_policy=env.choice("HANDLER_IMAGE_PULL_POLICY", ("IfNotPresent", "Always", "Never")),
                namespace=handler_namespace,
                prefix=env.text("HANDLER_PREFIX", ""),
                console_plugin_image=env.text("RELATED_IMAGE_CONSOLE_PLUGIN_IMAGE", ""),
                monitoring_namespace=env.text("MONITORING_NAMESPACE", "monitoring"),
                # The last two are for tests: a handler that dies at a given step, and one without its safeguards.
                handler_environment=env.beginning_with("NNCP_", "NMSTATE_FAILPOINTS", "NMSTATE_TEST_WITHOUT"),
            ),
            namespace=env.text("OPERATOR_NAMESPACE", handler_namespace),
            identity=env.text("POD_NAME", socket.gethostname()),
            health_address=env.text("HEALTH_ADDRESS", ":8081"),
            log_level=log_level(env),
        )


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The controller's."""

    namespace: str
    """Where the controller and the handlers run, and its lease lies."""
    identity: str
    health_address: str
    log_level: str
    metrics_address: str = ""
    """Empty: metrics are not served."""
    node: str = ""
    """The node that it runs on, the last one of a rollout; empty: not known."""
    webhook_address: str = ""
    """Empty: there is no webhook, and no certificate either."""
    prefix: str = ""
    """With which the names of what is installed begin."""
    durations: Durations = field(default_factory=Durations)
    """Of the certificates."""
    allow_dispatch: bool = False
    """Whether policies may bring scripts that run as root."""

    @classmethod
    def from_environment(cls, environment: Environment | None = None) -> ControllerSettings:
        """Read POD_NAMESPACE (or HANDLER_NAMESPACE), POD_NAME, NODE_NAME, LOG_LEVEL, where to serve what
        (HEALTH_ADDRESS, METRICS_ADDRESS, WEBHOOK_ADDRESS), and what the NMState says of certificates and scripts.
        """
        env = environment or Environment()
        return cls(
            namespace=env.text("POD_NAMESPACE", env.text("HANDLER_NAMESPACE", "nmstate")),
            identity=env.text("POD_NAME", socket.gethostname()),
            health_address=env.text("HEALTH_ADDRESS", ":8081"),
            log_level=log_level(env),
            metrics_address=env.text("METRICS_ADDRESS", ""),
            node=env.text("NODE_NAME", ""),
            webhook_address=env.text("WEBHOOK_ADDRESS", ""),
            prefix=env.text("HANDLER_PREFIX", ""),
            durations=_durations(env),
            allow_dispatch=env.choice("ALLOW_DISPATCH", ("false", "true")) == "true",
        )


def _durations(env: Environment) -> Durations:
    """None is shorter than a minute: a Secret is no place to write to every moment."""
    usual, least = Durations(), timedelta(minutes=1)
    return Durations(
        ca_rotate=max(least, env.duration("CA_ROTATE_INTERVAL", usual.ca_rotate)),
        ca_overlap=max(least, env.duration("CA_OVERLAP_INTERVAL", usual.ca_overlap)),
        cert_rotate=max(least, env.duration("CERT_ROTATE_INTERVAL", usual.cert_rotate)),
        cert_overlap=max(least, env.duration("CERT_OVERLAP_INTERVAL", usual.cert_overlap)),
    )
