"""A life of a crash plan as a process of its own, which at its point sends itself SIGKILL.

Slower than `crashplan.in_process`, and beyond doubt. The program is named (`World.program`) and imported by the child,
`python -m nmstate_k8s.testing.crashprocess`, which reads the rest from its standard input.
"""

import asyncio
import importlib
import os
import signal
import sys
from dataclasses import dataclass

import msgspec

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig
from nmstate_k8s.core.transport import HttpTransport
from nmstate_k8s.testing.crashplan import World
from nmstate_k8s.testing.crashpoints import CrashTransport, Point, Write

__all__ = ["by_kill"]


@dataclass(frozen=True)
class _Order:
    program: str
    agent: str
    server: str
    ca_file: str
    cert_file: str
    key_file: str
    point: Point | None


async def by_kill(world: World, point: Point | None, writes: list[Write]) -> None:
    """A life as a process; what it writes is not known.

    :raises RuntimeError: if it ends otherwise than by its own SIGKILL.
    """
    config = world.config
    order = _Order(world.program, world.agent, config.server, config.ca_file, config.cert_file, config.key_file, point)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await child.communicate(msgspec.json.encode(order))
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if point is None or child.returncode != -signal.SIGKILL:
        raise RuntimeError(f"{world.program} ended by itself, with {child.returncode}")


async def _live(order: _Order) -> None:
    module, _, function = order.program.partition(":")
    program = getattr(importlib.import_module(module), function)
    config = ClusterConfig(
        server=order.server, ca_file=order.ca_file, cert_file=order.cert_file, key_file=order.key_file
    )
    transport = CrashTransport(
        HttpTransport(config, user_agent=order.agent), order.point, lambda: os.kill(os.getpid(), signal.SIGKILL)
    )
    async with Client(config, transport=transport) as client:
        await program(client)


if __name__ == "__main__":
    asyncio.run(_live(msgspec.json.decode(sys.stdin.buffer.read(), type=_Order)))
