"""What the node's handler is told from outside.

Apart from the other programs' settings, because these know what is to be installed, and a handler does not.
"""

from __future__ import annotations

__all__ = ["NodeSettings"]

from dataclasses import dataclass
from pathlib import Path

from nmstate_k8s.apps.settings import Environment, SettingsError, log_level
from nmstate_k8s.domain.host.failpoints import Failpoints
from nmstate_k8s.domain.host.probes.plan import PROBE_SECONDS, ProbePlan
from nmstate_k8s.domain.host.retries import Retries

ROOT_SERVERS = "root-servers.net"


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The node's."""

    node: str
    identity: str
    health_address: str
    log_level: str
    lock_file: Path
    """Held by the one handler of the node; what outlives the pod lies beside it."""
    dns_host: str
    probes: ProbePlan
    """What is probed where a policy says nothing about it."""
    allow_dispatch: bool
    """Whether policies may bring scripts that run as root."""
    retries: Retries
    failpoints: Failpoints

    @property
    def journal(self) -> Path:
        """The folder of the journal."""
        return self.lock_file.parent / "journal"

    @classmethod
    def from_environment(cls, environment: Environment | None = None) -> NodeSettings:
        """Read NODE_NAME, POD_NAME, NMSTATE_INSTANCE_NODE_LOCK_FILE, NNCP_*, PROBE_* and NMSTATE_FAILPOINTS (tests)."""
        env = environment or Environment()
        node = env.text("NODE_NAME")
        lock_file = Path(env.text("NMSTATE_INSTANCE_NODE_LOCK_FILE", "/var/k8s_nmstate/handler_lock"))
        try:
            failpoints = Failpoints.parse(env.text("NMSTATE_FAILPOINTS", ""), lock_file.parent / "failpoints")
        except ValueError as error:
            raise SettingsError(str(error)) from error
        return cls(
            node=node,
            identity=env.text("POD_NAME", node),
            health_address=env.text("HEALTH_ADDRESS", "127.0.0.1:8081"),
            log_level=log_level(env),
            lock_file=lock_file,
            dns_host=env.text("PROBE_DNS_HOST", ROOT_SERVERS),
            probes=ProbePlan(float(env.integer("PROBE_TIMEOUT_SECONDS", int(PROBE_SECONDS), minimum=1))),
            allow_dispatch=env.choice("ALLOW_DISPATCH", ("false", "true")) == "true",
            retries=Retries(
                attempts=env.integer("NNCP_MAX_RETRIES", 5, minimum=1),
                first_delay=float(env.integer("NNCP_INITIAL_BACKOFF_SECONDS", 1)),
                longest_delay=float(env.integer("NNCP_MAX_BACKOFF_SECONDS", 30)),
            ),
            failpoints=failpoints,
        )
