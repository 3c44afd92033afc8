"""A probe, how it is tried, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from nmstate_k8s.api.probes import ProbeKind

__all__ = ["NO_CHANGE", "Change", "Probe", "ProbeFailed", "ProbeResult", "ProbeSkipped"]


class ProbeFailed(Exception):
    """This try failed; the text says what it saw."""


class ProbeSkipped(Exception):
    """What the probe looks for is not meant to be there any more; the text says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to the node before a try: states as JSON, empty where nothing was."""

    desired: bytes = b""
    before: bytes = b""


NO_CHANGE = Change()


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a probe ended. Skipped: it was not chosen, or has nothing to look for any more."""

    name: str
    kind: ProbeKind
    result: Literal["Passed", "Failed", "Skipped"]
    milliseconds: int
    message: str = ""


class Probe(Protocol):
    """One thing that the node must be able to do."""

    @property
    def name(self) -> str:
        """Stands in messages, and is no other probe's."""

    @property
    def kind(self) -> ProbeKind:
        """As the contract calls it."""

    @property
    def always(self) -> bool:
        """Selected without a try."""

    @property
    def try_seconds(self) -> float:
        """How long one try may take."""

    async def attempt(self, change: Change) -> None:
        """Try once, after this change.

        :raises ProbeFailed: it did not work.
        :raises ProbeSkipped: there is nothing to try, and that is meant.
        """
