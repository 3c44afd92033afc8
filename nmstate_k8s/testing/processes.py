"""Child processes of a test run that never outlive it."""

import atexit
import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["Child", "cpu_seconds"]

STOP_SECONDS = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, in its own code and in the kernel's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""If we die without a chance to clean up, the kernel ends our children: when the *thread* that made them
ends, so they are made by one that lives as long as the process."""


def _spawn(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Child:
    """A process in a group of its own, ended by its id: at `stop`, at our exit, and if we are killed."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        self.name = name
        self.log = log
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._process = _SPAWNER.submit(_spawn, [*guard, *map(str, command)], log).result()
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The process's id, and its group's."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self, *, kill: bool = False) -> None:
        """End it, gently or at once, and wait until it has ended."""
        atexit.unregister(self.stop)
        if not self.running:
            return
        self.signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when `ready` says so; an error of the network or of the other side means: not yet.

        :raises TimeoutError: after `seconds`; RuntimeError, if it has ended. Both with its last words.
        """
        deadline = time.monotonic() + seconds
        problem = "not ready"
        while self.running:
            try:
                if ready():
                    return
            except (OSError, http.client.HTTPException, RuntimeError, ValueError) as error:
                problem = str(error)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is not ready: {problem}\n{self.last_words()}")
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} ended while it started:\n{self.last_words()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
