"""An independent watcher: every version of every enactment that the API server told, in its order."""

from __future__ import annotations

import json
import subprocess
import threading
from types import TracebackType
from typing import Any

from e2e.kit.cluster import Cluster
from e2e.kit.shell import eventually

__all__ = ["EnactmentWatcher"]

Json = dict[str, Any]


class EnactmentWatcher:
    """`kubectl get nnce -w` beside the test. `most_at_once` is the largest number of nodes seen at work together."""

    def __init__(self, cluster: Cluster, policy: str) -> None:
        self._cluster = cluster
        self._policy = policy
        self._state: dict[str, bool] = {}
        self.most_at_once = 0
        self.versions = 0

    def __enter__(self) -> EnactmentWatcher:
        self._process = subprocess.Popen(
            ["kubectl", "get", "nnce", "-w", "-o", "json", "--output-watch-events"],
            stdout=subprocess.PIPE,
            text=True,
            env=self._cluster.env,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def saw_work(self, *, timeout: float) -> None:
        eventually("the watcher saw a node at work", lambda: self.most_at_once > 0, timeout=timeout)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            self._note(event["type"], event["object"])

    def _note(self, kind: str, enactment: Json) -> None:
        if enactment["metadata"]["labels"].get("nmstate.io/policy") != self._policy:
            return
        self.versions += 1
        name = enactment["metadata"]["name"]
        true = {c["type"] for c in enactment.get("status", {}).get("conditions", []) if c["status"] == "True"}
        self._state[name] = kind != "DELETED" and "Progressing" in true
        self.most_at_once = max(self.most_at_once, sum(self._state.values()))
