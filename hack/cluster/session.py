"""A running lab as the command line sees it: its record on disk, and the way to its supervisor."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import processes, supervisor_client
from .errors import LabError
from .paths import Paths

__all__ = ["Session"]


@dataclass(frozen=True)
class Session:
    """The supervisor of a lab: its process in the host's eyes, and the loopback port that leads to the API server."""

    paths: Paths
    pid: int
    start: int
    port: int

    @classmethod
    def find(cls, paths: Paths) -> Session | None:
        """The running lab, None where there is none (a record whose supervisor is dead counts as none)."""
        try:
            record = json.loads(paths.record.read_text())
        except (FileNotFoundError, ValueError):
            return None
        session = cls(paths, record["pid"], record["start"], record["port"])
        return session if processes.alive(session.pid, session.start) else None

    @classmethod
    def get(cls, paths: Paths) -> Session:
        session = cls.find(paths)
        if session is None:
            raise LabError(supervisor_client.NO_LAB)
        return session

    @classmethod
    def begin(cls, paths: Paths) -> Session:
        """Start a supervisor. It is written down before it does anything, so that no later command can miss it."""
        paths.logs.mkdir(parents=True, exist_ok=True)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            port = listener.getsockname()[1]
            read, write = os.pipe()
            main = Path(__file__).parent / "__main__.py"
            with (paths.logs / "supervisor.log").open("ab") as log:
                argv = [
                    sys.executable,
                    "-I",
                    "-S",
                    str(main),
                    "_hold",
                    str(read),
                    str(listener.fileno()),
                    str(paths.socket),
                ]
                holder = subprocess.Popen(
                    argv, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, pass_fds=(read, listener.fileno()),
                )  # fmt: skip
        os.close(read)
        start = processes.start_time(holder.pid)
        if start is None:
            raise LabError(f"the lab's supervisor did not start; see {paths.logs}/supervisor.log")
        session = cls(paths, holder.pid, start, port)
        new = paths.record.with_suffix(".new")
        new.write_text(json.dumps({"pid": holder.pid, "start": start, "port": port}))
        new.rename(paths.record)
        os.write(write, b"1")
        os.close(write)
        session.await_supervisor()
        return session

    def await_supervisor(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if not processes.alive(self.pid, self.start):
                break
            if self.paths.socket.exists():
                try:
                    self.parts()
                except LabError:
                    pass  # not listening yet
                else:
                    return
            time.sleep(0.02)
        raise LabError(f"the lab's supervisor did not come up; see {self.paths.logs}/supervisor.log")

    # the supervisor's requests

    @property
    def socket_path(self) -> str:
        return str(self.paths.socket)

    def _ask(self, **request: Any) -> dict[str, Any]:
        with supervisor_client.connect(self.socket_path) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
        if "error" in answer:
            raise LabError(f"the lab's supervisor could not {request['op']}: {answer['error']}")
        return answer

    def spawn(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        restart: bool = False,
        inherit: bool = False,
        piped: bool = False,
    ) -> bool:
        """Start a part in the lab's namespaces; False where it runs already.

        `restart`: start it anew when it ends. `inherit`: give it the host's listening socket. `piped`: its output goes
        through a pipe to the log, for programs that cannot write to a plain file.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        answer = self._ask(
            op="spawn", name=name, argv=list(map(str, argv)), log=str(log), env=dict(env or {}),
            restart=restart, inherit=inherit, piped=piped,
        )  # fmt: skip
        return not answer["already"]

    def parts(self) -> dict[str, dict[str, Any]]:
        return self._ask(op="list")

    def running(self, name: str) -> bool:
        return bool(self.parts().get(name, {}).get("running"))

    def end(self, name: str, number: int = signal.SIGKILL, *, timeout: float = 10) -> None:
        """Signal a part and wait until none of its processes is left; it is not started anew."""
        self._ask(op="signal", name=name, signal=int(number))
        self.wait_ended(name, timeout=timeout)

    def wait_ended(self, name: str, *, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self.running(name):
            if time.monotonic() > deadline:
                raise LabError(f"{name} did not end within {timeout:.0f} s")
            time.sleep(0.02)

    # its namespaces

    def inner_pid(self) -> int:
        """The first process of the lab's namespaces, as the host numbers it."""
        with supervisor_client.connect(self.socket_path) as connection:
            size = struct.calcsize("3i")
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid: int = struct.unpack("3i", credentials)[0]
        return pid

    def inside(self, *argv: str | Path, mounts: bool = False) -> list[str]:
        """The command line that runs a command in the lab's network (and, if asked, among its mounts)."""
        which = ["--net", *(["--mount", "--root"] if mounts else [])]
        return ["nsenter", "--target", str(self.inner_pid()), *which, "--", *map(str, argv)]

    # the end

    def finish(self) -> None:
        """End the lab at once: every process, and with them the namespaces."""
        inner = [(p, processes.start_time(p)) for p in processes.children(self.pid)]
        if processes.alive(self.pid, self.start):
            os.kill(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        waiting = [(self.pid, self.start), *((p, s) for p, s in inner if s is not None)]
        while any(processes.alive(pid, start) for pid, start in waiting):
            if time.monotonic() > deadline:
                raise LabError(f"the lab's supervisor (process {self.pid}) does not end; try `kill -9 {self.pid}`")
            time.sleep(0.02)
