"""Processes that stand for election, each with a wire of its own to the API server: to be frozen, killed, cut off."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from nmstate_k8s.testing.apiserver import ControlPlane
from nmstate_k8s.testing.processes import Child
from nmstate_k8s.testing.proxy import TcpProxy
from tests.integration.leaderprogram import Order

__all__ = ["Candidate", "two"]

PROGRAM = "tests.integration.leaderprogram"
APART_SECONDS = 600.0
"""So far are the clocks of two of them from each other."""


class Candidate:
    """One process, and its own wire to the server."""

    def __init__(
        self,
        identity: str,
        order: Order,
        wire: TcpProxy,
        folder: Path,
        program: str = PROGRAM,
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


@asynccontextmanager
async def two(
    plane: ControlPlane, name: str, lease_seconds: float, folder: Path, *, program: str = PROGRAM
) -> AsyncIterator[dict[str, Candidate]]:
    """Two of a program that do not run yet, by their identities; they are ended with the block."""
    async with AsyncExitStack() as stack:
        candidates: dict[str, Candidate] = {}
        for identity, skew in (("early", APART_SECONDS / 2), ("late", -APART_SECONDS / 2)):
            wire = await stack.enter_async_context(TcpProxy.run(plane.port))
            reach = replace(plane.config, server=f"https://127.0.0.1:{wire.port}")
            order = Order(
                identity, name, reach.server, reach.ca_file, reach.cert_file, reach.key_file, lease_seconds, skew
            )
            candidates[identity] = Candidate(identity, order, wire, folder, program)
            stack.push_async_callback(candidates[identity].stop)
        yield candidates
