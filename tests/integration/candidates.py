"""Processes that stand for election, each with a wire of its own to the API server: to be frozen, killed, cut off."""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from nmstate_k8s.testing.processes import Child
from nmstate_k8s.testing.proxy import TcpProxy
from tests.integration.leaderprogram import Order

__all__ = ["Candidate"]


class Candidate:
    """One process, and its own wire to the server."""

    def __init__(
        self,
        identity: str,
        order: Order,
        wire: TcpProxy,
        folder: Path,
        program: str = "tests.integration.leaderprogram",
    ) -> None:
        self.identity = identity
        self.wire = wire
        self._program = program
        self.log = folder / f"{identity}.log"
        self._file = folder / f"{identity}.json"
        self._file.write_bytes(msgspec.json.encode(order))
        self._child: Child | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", self._program, str(self._file)]
        self._child = Child(self.identity, command, self.log)

    def signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.signal(number)

    async def stop(self, *, kill: bool = False) -> None:
        if self._child is not None:
            self.signal(signal.SIGCONT)
            await asyncio.to_thread(self._child.stop, kill=kill)
            self._child = None
