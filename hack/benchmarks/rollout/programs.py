"""The processes of the benchmark: `programs.py controller|nodes FILE`, FILE saying how to reach the API server."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import structlog

from nmstate_k8s.core.client import Client
from nmstate_k8s.core.config import ClusterConfig

NAMESPACE = "bench"


async def controller(client: Client, _: dict[str, Any]) -> None:
    """As in its program."""
    from nmstate_k8s.apps.run_controller import managed
    from nmstate_k8s.apps.settings import ControllerSettings

    settings = ControllerSettings(NAMESPACE, "bench", health_address="", log_level="info")
    await managed(client, settings).run()


async def nodes(client: Client, told: dict[str, Any]) -> None:
    """All of them, until the end."""
    from hack.benchmarks.rollout.handlers import Handler

    folder = Path(told["folder"])
    async with asyncio.TaskGroup() as group:
        handlers = [Handler(client, name, folder / name) for name in told["nodes"]]
        for each in handlers:
            group.create_task(each.run())
        for each in handlers:
            await each.synced()
        (folder / "ready").touch()


def main() -> None:
    what, file = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    told = json.loads(Path(file).read_text())
    config = ClusterConfig(**told["config"])

    async def run() -> None:
        async with Client(config, user_agent=f"nmstate-{what}") as client:
            await {"controller": controller, "nodes": nodes}[what](client, told)

    asyncio.run(run())


if __name__ == "__main__":
    main()
