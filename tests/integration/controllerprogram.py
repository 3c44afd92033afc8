"""The controller as a process that stands for election at the speed, and with the clock, that its order says.

`python -m tests.integration.controllerprogram` reads an `Order` from the file that it is given.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from nmstate_k8s.api.meta import CONTROLLER_LEASE
from nmstate_k8s.apps.run_controller import managed
from nmstate_k8s.apps.settings import ControllerSettings
from tests.integration.leaderprogram import Order, connected, election


async def control(order: Order) -> None:
    """Until the process is ended."""
    settings = ControllerSettings(order.name, order.identity, health_address="", log_level="info")
    async with connected(order) as client:
        await managed(client, settings, election=election(client, order, CONTROLLER_LEASE, order.name)).run()


if __name__ == "__main__":
    asyncio.run(control(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Order)))
