"""What an enactment told, from its first word on: every version that the API server sent, in its order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from e2e.kit import Cluster
from e2e.kit.watch import EnactmentStream

__all__ = ["FINISHED", "Story", "Version"]

Json = dict[str, Any]
FINISHED = frozenset({"Available", "Failing", "Aborted"})


@dataclass(frozen=True)
class Version:
    """One version of the enactment's status, as people read it."""

    at: float
    """Seconds since the story began."""
    phase: str
    message: str
    transaction: str
    status: Json = field(repr=False)


def _version(at: float, status: Json) -> Version:
    true = {c["type"]: c for c in status.get("conditions", []) if c["status"] == "True"}
    phase = "Retrying" if {"Failing", "Progressing"} <= true.keys() else next(iter(true), "")
    told = true.get("Failing") or next(iter(true.values()), {})
    return Version(round(at, 2), phase, str(told.get("message", "")), str(status.get("transactionId", "")), status)


class Story(EnactmentStream):
    """What is told beside a trial of the enactments of one policy."""

    def __init__(self, cluster: Cluster, policy: str) -> None:
        super().__init__(cluster, policy)
        self._news = threading.Condition()
        self._began = time.monotonic()
        self.versions: list[Version] = []

    @property
    def now(self) -> Version | None:
        return self.versions[-1] if self.versions else None

    def count(self) -> int:
        return len(self.versions)

    def wait(self, what: str, holds: Callable[[Version], bool], *, since: int = 0, timeout: float) -> Version:
        """The first version from number `since` on of which this holds."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = next((version for version in self.versions[since:] if holds(version)), None)
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"the enactment did not tell {what} within {timeout:.0f} s; it told\n{self.told()}"
                self._news.wait(left)

    def ends(self, phase: str, *, timeout: float) -> None:
        """Until the newest version is of this phase."""
        deadline = time.monotonic() + timeout
        with self._news:
            while self.now is None or self.now.phase != phase:
                left = deadline - time.monotonic()
                assert left > 0, f"the enactment is not {phase} within {timeout:.0f} s; it told\n{self.told()}"
                self._news.wait(left)

    def told(self) -> str:
        return "\n".join(f"{v.at:7.2f} s  {v.phase:12} {v.transaction:14} {v.message}" for v in self.versions)

    def _note(self, kind: str, enactment: Json) -> None:
        if kind != "DELETED":
            version = _version(time.monotonic() - self._began, enactment.get("status") or {})
            with self._news:
                self.versions.append(version)
                self._news.notify_all()
