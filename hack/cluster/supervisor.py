"""The process that holds a lab: first process of the lab's own pid, network and mount namespaces.

- Every part of the lab is its child, or an orphan that it adopts. When it ends, the kernel ends them all, and with
  the last process go the namespaces: taps, bridges, mounts.
- It knows nothing of Kubernetes: it starts and stops programs by name, starts those anew that are to stay, and hands
  out sockets that live in the lab's network.
- One request is one JSON line over a unix socket that only root can open; the answer is one line.

Parent (`hold`): keeps no state either, and exists because `unshare` must have one; killing it kills the child.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import processes

__all__ = ["hold", "serve"]

RESTART_PAUSE = 1.0
INHERITED = 3  # where a child finds the listening socket of the host's network


@dataclass
class Part:
    name: str
    argv: list[str]
    log: str
    env: dict[str, str]
    restart: bool
    inherit: bool
    piped: bool
    pid: int = 0
    started: float = 0.0
    status: int | None = None
    starts: int = 0
    wanted: bool = True
    again_at: float = field(default=0.0)


def hold(go: int, listener: int, socket_path: str) -> None:
    """Wait for `go` (a byte on that pipe: our number is written down), then become `unshare` of the supervisor.

    Without the byte, the starter died before anybody could know of us: end.
    """
    if os.read(go, 1) != b"1":
        sys.exit("the starter ended before the lab was written down")
    os.close(go)
    os.set_inheritable(listener, True)
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    me = [sys.executable, "-I", "-S", str(Path(__file__).parent / "__main__.py"), "_serve", str(listener), socket_path]
    os.execvp(unshare[0], [*unshare, *me])


def serve(listener: int, socket_path: str) -> None:
    """Hold the lab until killed."""
    os.set_inheritable(listener, False)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    Supervisor(listener, socket_path).run()


class Supervisor:
    def __init__(self, listener: int, socket_path: str) -> None:
        self._listener = listener
        self._parts: dict[str, Part] = {}
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        Path(socket_path).unlink(missing_ok=True)
        old = os.umask(0o177)
        self._server.bind(socket_path)
        os.umask(old)
        self._server.listen(64)

    def run(self) -> None:
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(self._pause()):
                    if key.fileobj is self._server:
                        self._answer()
                    else:
                        os.read(wake_read, 4096)
                self._reap()
                self._start_again()

    def _pause(self) -> float | None:
        waiting = [p.again_at for p in self._parts.values() if p.again_at]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _answer(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            connection.settimeout(2)
            try:
                line = connection.makefile("rb").readline()
                request = json.loads(line)
                fds: list[int] = []
                try:
                    answer = self._do(request, fds)
                except (OSError, KeyError, ValueError) as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                message = json.dumps(answer).encode() + b"\n"
                if fds:
                    socket.send_fds(connection, [message], fds)
                    for fd in fds:
                        os.close(fd)
                else:
                    connection.sendall(message)
            except (OSError, ValueError) as error:  # the asker went away; nothing of ours depends on it
                print(f"supervisor: a request was not answered: {error}", file=sys.stderr, flush=True)

    def _do(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        match request["op"]:
            case "spawn":
                return self._spawn(request)
            case "signal":
                return self._signal(request["name"], request["signal"])
            case "list":
                return self._list()
            case "socket":
                fds.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach())
                return {}
        raise ValueError(f"unknown op {request['op']!r}")

    def _spawn(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["name"]
        known = self._parts.get(name)
        if known and known.pid in processes.sessions():
            return {"pid": known.pid, "already": True}
        names = ("argv", "log", "env", "restart", "inherit", "piped")
        part = Part(name, **{key: request[key] for key in names})
        self._start(part)
        self._parts[name] = part
        return {"pid": part.pid, "already": False}

    def _start(self, part: Part) -> None:
        """Start it as the leader of a session of its own, so that all its processes can be told and ended together."""
        output = os.open(part.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if part.piped:
            read, write = os.pipe()
            self._run(["cat"], dict(os.environ), {0: read, 1: output, 2: output})
            os.close(read)
            os.close(output)
            output = write
        null = os.open("/dev/null", os.O_RDONLY)
        fds = {0: null, 1: output, 2: output, **({INHERITED: self._listener} if part.inherit else {})}
        try:
            part.pid = self._run(part.argv, {**os.environ, **part.env}, fds)
        finally:
            os.close(output)
            os.close(null)
        part.status, part.started, part.again_at = None, time.time(), 0.0
        part.starts += 1

    @staticmethod
    def _run(argv: list[str], env: dict[str, str], fds: dict[int, int]) -> int:
        actions = [(os.POSIX_SPAWN_DUP2, ours, its) for its, ours in fds.items()]
        defaults = [signal.SIGINT, signal.SIGHUP, signal.SIGPIPE]
        return os.posix_spawnp(argv[0], argv, env, file_actions=actions, setsid=True, setsigdef=defaults)

    def _signal(self, name: str, number: int) -> dict[str, Any]:
        part = self._parts.get(name)
        if part is None:
            return {"known": False}
        part.wanted, part.again_at = False, 0.0
        try:
            os.killpg(part.pid, number)
        except ProcessLookupError:
            return {"known": True, "gone": True}
        return {"known": True, "gone": False}

    def _list(self) -> dict[str, Any]:
        """Every part that was ever started; `running` also while only a helper process of it is left."""
        living = processes.sessions()
        return {
            p.name: {
                "pid": p.pid, "running": p.pid in living, "status": p.status, "started": p.started, "starts": p.starts,
            }
            for p in self._parts.values()
        }  # fmt: skip

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for part in self._parts.values():
                if part.pid == pid:
                    part.status = os.waitstatus_to_exitcode(status)
                    if part.restart and part.wanted:
                        part.again_at = time.monotonic() + RESTART_PAUSE

    def _start_again(self) -> None:
        now = time.monotonic()
        for part in self._parts.values():
            if part.again_at and part.again_at <= now:
                try:
                    self._start(part)
                except OSError as error:  # its program may be being replaced: the lab must not end over that
                    print(f"supervisor: {part.name} does not start: {error}", file=sys.stderr, flush=True)
                    part.again_at = now + RESTART_PAUSE
