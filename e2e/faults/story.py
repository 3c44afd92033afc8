"""What an enactment told, from its first word on: every version that the API server sent, in its order."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from e2e.kit import Cluster

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


class Story:
    """`kubectl get nnce -w` beside a trial, for the enactments of one policy on one node."""

    def __init__(self, cluster: Cluster, policy: str) -> None:
        self._cluster, self._policy = cluster, policy
        self._news = threading.Condition()
        self.versions: list[Version] = []

    def __enter__(self) -> Story:
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            ["kubectl", "get", "nnce", "-w", "-o", "json", "--output-watch-events",
             "-l", f"nmstate.io/policy={self._policy}"],
            stdout=subprocess.PIPE, text=True, env=self._cluster.env,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

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

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            if event["type"] != "DELETED":
                version = _version(time.monotonic() - self._began, event["object"].get("status") or {})
                with self._news:
                    self.versions.append(version)
                    self._news.notify_all()
