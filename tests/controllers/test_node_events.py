"""What is told about a node as its enactments go on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nmstate_k8s.api.conditions import EnactmentPhase, enactment_conditions
from nmstate_k8s.api.enactment import EnactmentStatus
from nmstate_k8s.controllers.nodeevents import TellingWriter
from nmstate_k8s.core.errors import NotFound
from nmstate_k8s.core.objects import Object

pytestmark = pytest.mark.asyncio
ENACTMENT = Object.from_dict({"metadata": {"name": "n1.p1", "uid": "u", "labels": {"nmstate.io/policy": "p1"}}})


class Server:
    """Takes what is written, or not."""

    def __init__(self) -> None:
        self.gone = False

    async def read(self, name: str) -> Object:
        return ENACTMENT

    async def write(self, enactment: Object, status: EnactmentStatus) -> None:
        if self.gone:
            raise NotFound("gone", status=404)


def status(phase: EnactmentPhase, message: str = "", *, transaction: str = "t1") -> EnactmentStatus:
    return EnactmentStatus(
        conditions=enactment_conditions(phase, message, now=datetime(2026, 1, 1, tzinfo=UTC)),
        policy_generation=3,
        transaction_id=transaction,
    )


async def test_each_turn_is_told_once() -> None:
    """With the condition's reason and message; a status that is written again is no turn, another attempt is."""
    told: list[tuple[str, str, str]] = []
    writer = TellingWriter(Server(), lambda kind, note: told.append((kind.type, kind.reason, note)))
    await writer.write(ENACTMENT, status(EnactmentPhase.PROGRESSING))
    await writer.write(ENACTMENT, status(EnactmentPhase.RETRYING, "Error: no eth666. Retrying 2/2"))
    await writer.write(ENACTMENT, status(EnactmentPhase.RETRYING, "Error: no eth666. Retrying 2/2"))
    await writer.write(ENACTMENT, status(EnactmentPhase.PROGRESSING, transaction="t2"))
    await writer.write(ENACTMENT, status(EnactmentPhase.AVAILABLE, transaction="t2"))
    assert told == [
        ("Normal", "ConfigurationProgressing", "policy p1, generation 3: Applying desired state"),
        ("Warning", "Retrying", "policy p1, generation 3: Error: no eth666. Retrying 2/2"),
        ("Normal", "ConfigurationProgressing", "policy p1, generation 3: Applying desired state"),
        ("Normal", "SuccessfullyConfigured", "policy p1, generation 3: successfully reconciled"),
    ]


async def test_what_could_not_be_written_is_not_told() -> None:
    """An event says what the status says."""
    told: list[str] = []
    server = Server()
    server.gone = True
    writer = TellingWriter(server, lambda kind, _: told.append(kind.reason))
    with pytest.raises(NotFound):
        await writer.write(ENACTMENT, status(EnactmentPhase.AVAILABLE))
    assert told == []
