"""Every version of enactments that the API server told, in its order, to somebody who only looks on."""

from __future__ import annotations

import json
import subprocess
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from e2e.kit.cluster import Cluster
from e2e.kit.shell import eventually

__all__ = ["EnactmentStream", "EnactmentWatcher"]

Json = dict[str, Any]


class EnactmentStream(ABC):
    """`kubectl get nnce -w` beside the test, of the enactments of one policy."""

    def __init__(self, cluster: Cluster, policy: str) -> None:
        self._cluster, self._policy = cluster, policy

    def __enter__(self) -> Self:
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

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            self._note(event["type"], event["object"])

    @abstractmethod
    def _note(self, kind: str, enactment: Json) -> None:
        """An event, on the stream's own thread."""


class EnactmentWatcher(EnactmentStream):
    """`most_at_once` is the largest number of nodes seen at work together."""

    def __init__(self, cluster: Cluster, policy: str) -> None:
        super().__init__(cluster, policy)
        self._state: dict[str, bool] = {}
        self.most_at_once = 0
        self.versions = 0

    def saw_work(self, *, timeout: float) -> None:
        eventually("the watcher saw a node at work", lambda: self.most_at_once > 0, timeout=timeout)

    def _note(self, kind: str, enactment: Json) -> None:
        self.versions += 1
        name = enactment["metadata"]["name"]
        true = {c["type"] for c in enactment.get("status", {}).get("conditions", []) if c["status"] == "True"}
        self._state[name] = kind != "DELETED" and "Progressing" in true
        self.most_at_once = max(self.most_at_once, sum(self._state.values()))
