"""Events about this node: one for each turn that an enactment takes here.

They are told by who writes the enactments' status, after it was written: what `kubectl describe node` shows has
happened, and a status that is written again is not told again.
"""

from __future__ import annotations

from collections.abc import Callable

from nmstate_k8s.api.conditions import Condition, EnactmentPhase, enactment_phase
from nmstate_k8s.api.enactment import EnactmentStatus
from nmstate_k8s.api.events import ENACTMENT_TURNS, EventKind
from nmstate_k8s.api.meta import POLICY_LABEL
from nmstate_k8s.controllers.enactmentwriter import EnactmentWriter
from nmstate_k8s.core.events import EventRecorder
from nmstate_k8s.core.objects import Object
from nmstate_k8s.domain.kinds import NODES

__all__ = ["TellingWriter", "Tell", "about_node"]

Tell = Callable[[EventKind, str], None]
"""Called with what happened and a note."""


def about_node(recorder: EventRecorder, name: str) -> Tell:
    """Events about the node of this name, under the uid that the kubelet uses: `kubectl describe node` finds them."""
    node = Object.from_dict({"metadata": {"name": name, "uid": name}}, NODES)

    def tell(kind: EventKind, note: str) -> None:
        recorder.event(node, *kind.told(note))

    return tell


class TellingWriter:
    """An `EnactmentWriter` that tells of what it wrote."""

    def __init__(self, writer: EnactmentWriter, tell: Tell) -> None:
        self._writer = writer
        self._tell = tell
        self._told: dict[str, tuple[object, ...]] = {}
        """By the name of the enactment: the turn that was told last."""

    async def read(self, name: str) -> Object:
        return await self._writer.read(name)

    async def write(self, enactment: Object, status: EnactmentStatus) -> None:
        await self._writer.write(enactment, status)
        phase = enactment_phase(status.conditions)
        shown = next((each for each in status.conditions if _shown(each, phase)), None)
        turn = (enactment.uid, status.transaction_id, phase)
        kind = ENACTMENT_TURNS.get(phase) if phase is not None else None
        if kind is None or shown is None or self._told.get(enactment.name) == turn:
            return
        self._told[enactment.name] = turn
        policy = enactment.labels.get(POLICY_LABEL, enactment.name)
        note = f"policy {policy}, generation {status.policy_generation}: {shown.message}"
        self._tell(kind, note)


def _shown(condition: Condition, phase: EnactmentPhase | None) -> bool:
    """Whether the condition is the one that a phase is known by; of a retry the failure, not the progress."""
    type_ = EnactmentPhase.FAILED.value if phase is EnactmentPhase.RETRYING else phase and phase.value
    return condition.type == type_ and condition.status == "True"
