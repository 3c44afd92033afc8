"""One etcd of a test: with its data it can be stopped and started, lose its history, and be set back in time."""

import contextlib
import http.client
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nmstate_k8s.testing.processes import Child, cpu_seconds

__all__ = ["Etcd"]

START_SECONDS: Final = 60.0


class Etcd:
    """A single member on the loopback, without TLS. Its calls block: in an event loop use a thread."""

    def __init__(self, binary: Path, folder: Path, port: int, peer_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._peer = f"http://127.0.0.1:{peer_port}"
        self._binary = binary
        self._folder = folder
        self._data = folder / "etcd"
        self._backups = 0
        self._child: Child | None = None

    def start(self) -> None:
        """Start it with the data that it has, and wait until it answers."""
        self._child = Child(
            "etcd",
            [
                self._binary,
                f"--data-dir={self._data}",
                f"--listen-client-urls={self.url}",
                f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls={self._peer}",
                f"--initial-advertise-peer-urls={self._peer}",
                f"--initial-cluster=default={self._peer}",
                "--unsafe-no-fsync=true",
                "--log-level=warn",
            ],
            self._folder / "etcd.log",
        )
        self._child.wait_ready(lambda: self.revision > 0, START_SECONDS)

    def cpu_seconds(self) -> float:
        """What the one that runs now has used so far."""
        if self._child is None:
            raise RuntimeError("etcd was not started")
        return cpu_seconds(self._child.pid)

    def stop(self) -> None:
        """End it at once, as a crash does; its data stays."""
        if self._child is not None:
            self._child.stop(kill=True)

    @property
    def revision(self) -> int:
        """How many changes there were: the newest resourceVersion there is."""
        return int(self._call("/v3/maintenance/status")["header"]["revision"])

    def compact(self) -> int:
        """Make it forget all history; the revision that is left."""
        revision = self.revision
        self._call("/v3/kv/compaction", {"revision": revision, "physical": True})
        return revision

    def backup(self) -> Path:
        """All its data as of now, for `restore`. It is away for the moment in which that is taken."""
        self._backups += 1
        backup = self._folder / f"etcd-backup-{self._backups}"
        self.stop()
        shutil.copytree(self._data, backup)
        self.start()
        return backup

    def restore(self, backup: Path) -> None:
        """All is as it was, its revision too: what was written since has never been."""
        self.stop()
        shutil.rmtree(self._data)
        shutil.copytree(backup, self._data)
        self.start()

    def _call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body or {}))
            answer = json.loads(connection.getresponse().read())
        if "header" not in answer:
            raise RuntimeError(f"etcd {path}: {answer}")
        return answer
