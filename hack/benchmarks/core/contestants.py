"""Who takes part, how he is made ready, and a process of his that is listened to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.kit.shell import ROOT, run
from nmstate_k8s.testing.processes import cpu_seconds

__all__ = ["Contestant", "Running", "contestants", "running"]

RIVALS = Path(__file__).parent / "rivals"
OURS = ROOT / "requirements" / "handler.lock.txt"
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Contestant:
    """A name and a command."""

    name: str
    command: Sequence[str]


def contestants() -> list[Contestant]:
    """All, ready to start, each with what it needs and no more; what is missing is installed and built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nmstate-k8s" / "bench"
    ours, kopf = _python(cache, "ours", OURS), _python(cache, "kopf", RIVALS / "kopf.lock.txt")
    return [
        Contestant("ours", [str(ours), str(RIVALS / "ours.py")]),
        Contestant("bare", [str(ours), str(RIVALS / "bare.py")]),
        Contestant("kopf", [str(kopf), str(RIVALS / "on_kopf.py")]),
        Contestant("cr", [str(_controller_runtime(cache))]),
    ]


def _python(cache: Path, name: str, lock: Path) -> Path:
    """A Python with what is locked there."""
    folder = cache / f"{name}-{_mark([lock])}"
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        print(f"installing {lock} into {folder}", file=sys.stderr, flush=True)
        run(sys.executable, "-m", "venv", "--clear", str(folder))
        run(str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock), timeout=900)
        (folder / "whole").touch()
    return python


def _controller_runtime(cache: Path) -> Path:
    source = RIVALS / "controller_runtime"
    binary = cache / f"controller-runtime-{_mark(sorted(source.iterdir()))}"
    if not binary.exists():
        print("building the program on controller-runtime: minutes, the first time", file=sys.stderr, flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        fresh = binary.with_suffix(".new")
        run("go", "build", "-C", str(source), "-o", str(fresh), ".", timeout=1800)
        fresh.rename(binary)
    return binary


def _mark(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]


class Running:
    """A contestant at work."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def hear(self, event: str) -> dict[str, Any]:
        """The next line, which must be of this event.

        :raises RuntimeError: if it is not, or does not come.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                told = await self._told.get()
        except TimeoutError:
            raise RuntimeError(f"no {event!r} within {PATIENCE_SECONDS:g} s, see {self._log}") from None
        if told.get("event") != event:
            raise RuntimeError(f"told {told}, not {event!r}, see {self._log}")
        return told

    def cpu_seconds(self) -> float:
        """Of the process so far."""
        return cpu_seconds(self._process.pid)

    def resident_mb(self, which: str = "VmRSS") -> float:
        """Now, or at most so far (VmHWM)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith(which)).split()[1]) / 1024

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._told.put_nowait(json.loads(line))
        self._told.put_nowait({"event": "ended"})

    async def stop(self) -> None:
        """By the end of its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(15):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading


@asynccontextmanager
async def running(contestant: Contestant, log: Path, kubeconfig: Path, **figures: int) -> AsyncIterator[Running]:
    """A process of its own; what it says besides goes to the log."""
    options = [text for name, value in figures.items() for text in (f"--{name}", str(value))]
    environment: Mapping[str, str] = os.environ | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *contestant.command,
            "--kubeconfig-file",
            str(kubeconfig),
            *options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            env=environment,
            limit=1 << 24,
        )
    started = Running(process, log)
    try:
        yield started
    finally:
        await started.stop()
