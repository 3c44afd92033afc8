"""The benchmark's controller on kopf: the low-level event handler, which writes nothing of its own accord.

kopf has a worker for each object that stays for five seconds after its last event. With their number limited to W
it does W objects in five seconds, so it works without a limit, as it does unless told otherwise.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from typing import Any

import kopf


def say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, "at": time.time_ns(), **fields}), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("--kubeconfig-file")
for option in ("objects", "changes", "samples", "workers"):
    parser.add_argument(f"--{option}", type=int)
options = parser.parse_args()
seen: set[str] = set()
sent: dict[str, int] = {}
delays: list[int] = []
patched = 0
awaited: dict[str, int] = {}
since = time.time_ns()


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False


@kopf.on.event("bench.example.com", "v1", "things")
async def follow(name: str, spec: Any, status: Any, patch: kopf.Patch, **_: Any) -> None:
    global patched
    now = time.time_ns()
    if name not in seen:
        seen.add(name)
        if len(seen) == options.objects:
            say("reconciled")
    if spec.get("sent", 0) > sent.get(name, since):
        sent[name] = spec["sent"]
        delays.append(now - spec["sent"])
        if len(delays) == options.samples:
            say("sampled", delays=delays)
    if spec["version"] != status.get("observed", 0):
        patch.status["observed"] = awaited[name] = spec["version"]
    elif awaited.pop(name, None) is not None:  # kopf patches when a handler has ended, and tells nobody
        patched += 1
        if patched == options.changes:
            say("patched")


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: sys.stdin.buffer.read1(1) or stop.set())
    await kopf.operator(clusterwide=True, standalone=True, stop_flag=stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main())
