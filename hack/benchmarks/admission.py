"""What a hostile question costs the webhook: the controller's own, in a process of its own, one call after the other.

seconds   from the first byte sent until the answer is there: the median of all rounds, and the longest; `good` is a
          harmless policy. The API server gives up after 10 s, and lets the policy pass
memory    the process's largest resident set, in MB: at rest, and after all of it

The bodies are no AdmissionReview, or one that is broken; the policies are well-formed, of up to 256 KiB, and made to
be slow to judge. No API server is asked here: what the caches know of the cluster is two nodes and their reports.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import structlog

from nmstate_k8s.core.clock import SystemClock
from nmstate_k8s.core.objects import Object
from nmstate_k8s.core.store import MutableStore
from nmstate_k8s.domain.install.webhook import VALIDATE_PATH
from nmstate_k8s.domain.kinds import NODE_STATES, NODES
from tests.core.webhookkit import calling, peak_rss, review, ring_of, serving
from tests.domain.admission.asking import card, node, node_state, policy

__all__ = ["main"]


def questions() -> dict[str, bytes]:
    """All of them, by what they are."""
    from tests.core.hostilebodies import BODIES  # large: the process under test does without them
    from tests.domain.admission.hostile import CAPTURES, STATES, eth

    states = {f"state: {name}": policy("one", make()) for name, make in STATES.items()}
    captures = {
        f"captures: {name}": policy("one", {"interfaces": [eth()]}, capture=make()) for name, make in CAPTURES.items()
    }
    good = {"good": policy("one", {"interfaces": [eth(mtu=1400)]})}
    bodies = {f"body: {each.what}": each.body for each in BODIES}
    return bodies | {name: review(object=asked) for name, asked in (good | states | captures).items()}


async def serve() -> None:
    """The process under test: says its port, and ends with its input."""
    from nmstate_k8s.controllers.admission import PolicyAdmission

    nodes, node_states = MutableStore(), MutableStore()
    for number in (1, 2):
        nodes.put(Object.from_dict(node(f"n{number}", f"192.0.2.{number}"), NODES))
        node_states.put(Object.from_dict(node_state(f"n{number}", card("eth1")), NODE_STATES))
    admission = PolicyAdmission(
        SystemClock(), policies=MutableStore(), nodes=nodes, node_states=node_states, allow_dispatch=False
    )
    async with serving(*admission.webhooks, ring=ring_of()) as place:
        print(place.server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def measure(rounds: int) -> dict[str, Any]:
    """Ask all of it, so often."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        asked, seconds = questions(), dict[str, list[float]]()
        port = int(await process.stdout.readline())
        await call(port, asked["good"])
        rest = peak_rss(process.pid)
        for number in range(rounds):
            for name, body in asked.items():
                begun = time.monotonic()
                await call(port, body)
                seconds.setdefault(name, []).append(time.monotonic() - begun)
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        return {
            "seconds": {
                name: {"median": round(statistics.median(each), 3), "max": round(max(each), 3)}
                for name, each in seconds.items()
            },
            "memory": {"at_rest_mb": rest >> 20, "peak_mb": peak_rss(process.pid) >> 20},
        }
    finally:
        process.kill()
        await process.communicate()


async def call(port: int, body: bytes) -> None:
    """One question, and its answer."""
    async with calling(port) as caller:
        await caller.post(body, VALIDATE_PATH)


def table(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """For people: the slowest first."""
    slowest = sorted(figures["seconds"].items(), key=lambda each: -each[1]["max"])
    lines = [f"{name:45} {each['median']:7.3f} s, at most {each['max']:.3f}" for name, each in slowest]
    return "\n".join([*lines, f"memory: {figures['memory']}"])


def main(arguments: list[str]) -> int:
    """`hack/bench admission`."""
    parser = argparse.ArgumentParser(
        "hack/bench admission", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is asked (5)")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args(arguments)
    figures = asyncio.run(measure(options.rounds))
    print(json.dumps(figures, indent=2) if options.json else table(figures))
    return 0


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(serve())
