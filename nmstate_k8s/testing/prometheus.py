"""A real Prometheus for tests, and promtool.

* Programs come from PATH, else from the cache that `hack/prometheus` fills; nothing is downloaded.
* It listens on a free loopback port and keeps its files in one temporary folder, which is removed. Where a command
  that leads into another network is given, that is the loopback there.
* Its calls block: in an event loop use a thread.
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from nmstate_k8s.testing.ports import free_ports
from nmstate_k8s.testing.processes import Child

__all__ = ["MissingProgram", "Prometheus", "find_program"]

FOLDER: Final = "prometheus-bookworm"
START_SECONDS: Final = 60.0

_GET: Final = """\
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=10)
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.buffer.write(b"%d\\n" % answer.status + answer.read())
"""
"""A program that prints the status and the body of an answer."""


class MissingProgram(RuntimeError):
    """There is none on this machine."""


def find_program(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """`prometheus` or `promtool`.

    :raises MissingProgram: saying what to do.
    """
    cache = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nmstate-k8s" / FOLDER / name
    on_path = shutil.which(name, path=env.get("PATH"))
    if on_path:
        return Path(on_path)
    if os.access(cache, os.X_OK):
        return cache
    raise MissingProgram(f"no {name} on PATH nor in {cache.parent}: run `hack/prometheus`")


class Prometheus:
    """One server that scrapes and evaluates every second."""

    def __init__(self, child: Child, port: int, inside: Sequence[str]) -> None:
        """Use `start`."""
        self._child = child
        self._port = port
        self._inside = inside

    @classmethod
    @contextmanager
    def start(
        cls, scrapes: Sequence[Mapping[str, Any]], rules: Sequence[Path] = (), *, inside: Sequence[str] = ()
    ) -> Iterator[Self]:
        """A server with these scrape configurations and rule files, ready; it is gone afterwards.

        :param inside: what runs a command in the network in which it is to be.
        :raises MissingProgram: if this machine has none.
        """
        program = find_program("prometheus")
        folder = Path(tempfile.mkdtemp(prefix="nmstate-k8s-prometheus-"))
        try:
            config = folder / "prometheus.json"  # JSON is YAML
            config.write_text(
                json.dumps(
                    {
                        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                        "rule_files": [str(path) for path in rules],
                        "scrape_configs": list(scrapes),
                    }
                )
            )
            (port,) = free_ports(1)
            command: list[str | Path] = [
                *inside,
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ]
            child = Child("prometheus", command, folder / "prometheus.log")
            try:
                server = cls(child, port, inside)
                child.wait_ready(server._ready, START_SECONDS)
                yield server
            finally:
                child.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def targets(self) -> list[dict[str, Any]]:
        """What is scraped, and how that goes."""
        return list(self._ask("/api/v1/targets")["activeTargets"])

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that are pending or firing."""
        return list(self._ask("/api/v1/alerts")["alerts"])

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The present values, by their labels (without the name), sorted."""
        answer = self._ask(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return {
            tuple(sorted((name, value) for name, value in each["metric"].items() if name != "__name__")): float(
                each["value"][1]
            )
            for each in answer["result"]
        }

    def _ready(self) -> bool:
        return self._get("/-/ready")[0] == 200

    def _ask(self, path: str) -> dict[str, Any]:
        status, body = self._get(path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body.decode(errors='replace')}\n{self._child.last_words()}")
        return dict(json.loads(body)["data"])

    def _get(self, path: str) -> tuple[int, bytes]:
        if self._inside:
            return self._get_inside(path)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        with closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _get_inside(self, path: str) -> tuple[int, bytes]:
        command = [*self._inside, sys.executable, "-c", _GET, f"http://127.0.0.1:{self._port}{path}"]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        status, _, body = done.stdout.partition(b"\n")
        if not status:
            raise OSError(done.stderr.decode(errors="replace"))
        return int(status), body
