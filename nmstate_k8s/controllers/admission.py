"""What the webhooks answer: the judgement of ``domain.admission`` on what the caches know of the cluster.

- libnmstate is asked in one thread of its own, one policy after the other: the event loop goes on meanwhile.
- Whatever fails here refuses nothing: the node looks at the policy again.
"""

from __future__ import annotations

__all__ = ["PolicyAdmission"]

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from nmstate_k8s.core.admission import AdmissionRequest, Decision, allow, deny, patched
from nmstate_k8s.core.clock import Clock
from nmstate_k8s.core.store import Store
from nmstate_k8s.core.webhook import Webhook
from nmstate_k8s.domain.admission.review import Others, mutate_policy, mutate_status, mutate_timestamp, validate
from nmstate_k8s.domain.install.webhook import MUTATE_PATH, STATUS_PATH, TIMESTAMP_PATH, VALIDATE_PATH


class PolicyAdmission:
    """The webhooks of policies."""

    def __init__(
        self, clock: Clock, *, policies: Store, nodes: Store, node_states: Store, allow_dispatch: bool
    ) -> None:
        self._clock = clock
        self._policies = policies
        self._nodes = nodes
        self._node_states = node_states
        self._allow_dispatch = allow_dispatch
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="admission")

    @property
    def webhooks(self) -> Sequence[Webhook]:
        """All of them, at the paths that the configurations name."""
        return (
            Webhook(MUTATE_PATH, self._mutate, "allow"),
            Webhook(STATUS_PATH, self._mutate_status, "allow"),
            Webhook(TIMESTAMP_PATH, self._mutate_timestamp, "allow"),
            Webhook(VALIDATE_PATH, self._validate, "allow"),
        )

    async def _mutate(self, request: AdmissionRequest) -> Decision:
        return patched(mutate_policy(request))

    async def _mutate_status(self, request: AdmissionRequest) -> Decision:
        return patched(mutate_status(request, self._clock.now()))

    async def _mutate_timestamp(self, request: AdmissionRequest) -> Decision:
        return patched(mutate_timestamp(request, self._clock.now()))

    async def _validate(self, request: AdmissionRequest) -> Decision:
        others = Others(
            policies=tuple(self._policies.list()),
            nodes=tuple(self._nodes.list()),
            node_states=tuple(self._node_states.list()),
            allow_dispatch=self._allow_dispatch,
        )
        loop = asyncio.get_running_loop()
        verdict = await loop.run_in_executor(self._thread, validate, request, others)
        if verdict.allowed:
            return allow(warnings=verdict.warnings)
        return deny(verdict.message, code=422, reason="Invalid", warnings=verdict.warnings)
