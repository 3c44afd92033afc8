"""The reports of nodes as a watcher sees them: when each version arrived, and what it says."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple

from e2e.kit.cluster import Cluster
from e2e.kit.metrics import Metrics, handler_metrics
from e2e.kit.node import Node
from e2e.kit.shell import eventually

__all__ = ["ReportWatcher", "Seen", "at_rest"]

Json = dict[str, Any]


BETWEEN_WRITES = 11.5
"""Seconds after a write, which is told in whole seconds, until the next change is written at once."""


def at_rest(cluster: Cluster, node: Node, *, timeout: float = 60) -> Metrics:
    """The handler's metrics when nothing was written for long enough."""

    def rested() -> Metrics | None:
        written = cluster.get("nns", node.name).get("status", {}).get("lastSuccessfulUpdateTime")
        age = float(node.sh("date +%s")) - datetime.fromisoformat(written).timestamp() if written else 0.0
        return handler_metrics(node) if age > BETWEEN_WRITES else None

    return eventually(f"the report of {node.name} is at rest", rested, timeout=timeout, every=0.5)


class Seen(NamedTuple):
    """One version of a report."""

    at: float
    """On the monotonic clock of the test."""
    interfaces: dict[str, Json]
    written: str
    """The time that the report itself bears."""
    state: Json
    """All of it."""


class ReportWatcher:
    """`kubectl get nns NODE -w` beside the test."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node
        self._news = threading.Condition()
        self.seen: list[Seen] = []

    def __enter__(self) -> ReportWatcher:
        self._process = subprocess.Popen(
            ["kubectl", "get", "nns", self._node, "-w", "-o", "json", "--output-watch-events"],
            stdout=subprocess.PIPE,
            text=True,
            env=self._cluster.env,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.wait("the first version", lambda seen: True, timeout=30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait(self, what: str, holds: Callable[[Seen], bool], *, timeout: float, since: float = 0.0) -> Seen:
        """The first version after `since` for which it holds."""

        def found() -> Seen | None:
            return next((each for each in self.seen if each.at >= since and holds(each)), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None, timeout)
        version = found()
        assert version is not None, f"not within {timeout:.0f} s: {what}; {len(self.seen)} versions were seen"
        return version

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            at, status = time.monotonic(), json.loads(line)["object"].get("status") or {}
            state = status.get("currentState", {})
            interfaces = {each["name"]: each for each in state.get("interfaces", [])}
            with self._news:
                self.seen.append(Seen(at, interfaces, status.get("lastSuccessfulUpdateTime", ""), state))
                self._news.notify_all()
