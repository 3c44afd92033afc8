"""A probe, how it is tried, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Probe", "ProbeFailed", "ProbeResult", "ProbeSkipped"]


class ProbeFailed(Exception):
    """This try failed; the text says what it saw."""


class ProbeSkipped(Exception):
    """What the probe looks for is not meant to be there any more; the text says why."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a probe ended."""

    name: str
    result: Literal["Passed", "Failed", "Skipped"]
    milliseconds: int
    message: str = ""


class Probe(Protocol):
    """One thing that the node must be able to do."""

    @property
    def name(self) -> str:
        """As the contract calls it: stands in messages."""

    @property
    def always(self) -> bool:
        """Selected without a try."""

    @property
    def try_seconds(self) -> float:
        """How long one try may take."""

    async def attempt(self, desired: bytes) -> None:
        """Try once. `desired` is what was applied, empty before.

        :raises ProbeFailed: it did not work.
        :raises ProbeSkipped: there is nothing to try, and that is meant.
        """
