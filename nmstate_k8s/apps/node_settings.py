"""What the node's handler is told from outside.

Apart from the other programs' settings, because these know what is to be installed, and a handler does not.
"""

from __future__ import annotations

__all__ = ["NodeSettings"]

from dataclasses import dataclass
from pathlib import Path

import msgspec

from nmstate_k8s.api.probes import Probes
from nmstate_k8s.apps.environment import Environment, SettingsError, log_level
from nmstate_k8s.domain.host.failpoints import Failpoints
from nmstate_k8s.domain.host.probes.plan import DEFAULT_PLAN, ProbePlan, plan_for
from nmstate_k8s.domain.host.retries import Retries


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The node's."""

    node: str
    identity: str
    health_address: str
    log_level: str
    lock_file: Path
    """Held by the one handler of the node; what outlives the pod lies beside it."""
    probes: ProbePlan
    """What is probed where a policy says nothing about it."""
    allow_dispatch: bool
    """Whether policies may bring scripts that run as root."""
    retries: Retries
    failpoints: Failpoints
    host: Path = Path("/")
    """Where the host's own files are; another folder in tests."""
    parachute: bool = True
    """Whether a node is put back before NetworkManager starts; False in tests that show what it is good for."""

    @property
    def journal(self) -> Path:
        """The folder of the journal."""
        return self.lock_file.parent / "journal"

    @classmethod
    def from_environment(cls, environment: Environment | None = None) -> NodeSettings:
        """Read NODE_NAME, POD_NAME, NMSTATE_INSTANCE_NODE_LOCK_FILE, NNCP_*, PROBES and NMSTATE_FAILPOINTS (tests)."""
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
            probes=_probes(env.text("PROBES", "{}")),
            allow_dispatch=env.choice("ALLOW_DISPATCH", ("false", "true")) == "true",
            retries=Retries(
                attempts=env.integer("NNCP_MAX_RETRIES", 5, minimum=1),
                first_delay=float(env.integer("NNCP_INITIAL_BACKOFF_SECONDS", 1)),
                longest_delay=float(env.integer("NNCP_MAX_BACKOFF_SECONDS", 30)),
            ),
            failpoints=failpoints,
            host=Path(env.text("NMSTATE_HOST_ROOT", "/")),
            parachute=env.text("NMSTATE_TEST_WITHOUT", "-") != "parachute",
        )


def _probes(text: str) -> ProbePlan:
    """An NMState's probeConfiguration, as JSON."""
    try:
        return plan_for(msgspec.json.decode(text, type=Probes), DEFAULT_PLAN)
    except msgspec.DecodeError as error:
        raise SettingsError(f"PROBES cannot be read: {error}") from error
