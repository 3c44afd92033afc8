"""Rounds by turns, and what comes of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hack.benchmarks.core.contestants import Contestant, contestants, running
from hack.benchmarks.core.world import World
from nmstate_k8s.core.client import Client
from nmstate_k8s.testing.apiserver import ControlPlane

__all__ = ["main"]

Figures = dict[str, float]
LEAST = 0.01
"""Seconds of CPU: the kernel counts no less."""
RATIOS = {
    "a": "start_seconds",
    "b": "changes_seconds",
    "d": "latency_p50_ms",
    "d_p99": "latency_p99_ms",
    "a_cpu": "start_cpu_seconds",
    "b_cpu": "changes_cpu_seconds",
    "rss": "idle_rss_mb",
    "idle_cpu": "idle_cpu_seconds",
}


async def turn(contestant: Contestant, world: World, folder: Path, options: argparse.Namespace) -> Figures:
    """One contestant does everything once."""
    figures: Figures = {}
    begun = time.time_ns()
    async with running(
        contestant,
        folder / f"{contestant.name}.log",
        world.plane.kubeconfig,
        objects=world.objects,
        changes=options.changes,
        samples=options.samples,
        workers=options.workers,
    ) as process:
        figures["start_seconds"] = ((await process.hear("reconciled"))["at"] - begun) / 1e9
        figures["start_cpu_seconds"] = process.cpu_seconds()
        figures["start_rss_mb"] = process.resident_mb()
        begun, used, servers = time.time_ns(), process.cpu_seconds(), world.plane.cpu_seconds()
        await world.change(options.changes)
        figures["changes_seconds"] = ((await process.hear("patched"))["at"] - begun) / 1e9
        figures["changes_cpu_seconds"] = process.cpu_seconds() - used
        figures["changes_server_cpu_seconds"] = world.plane.cpu_seconds() - servers
        await asyncio.sleep(options.rest)
        before = process.cpu_seconds()
        await asyncio.sleep(options.idle)
        figures["idle_cpu_seconds"] = process.cpu_seconds() - before
        figures["idle_rss_mb"] = process.resident_mb()
        await world.touch(options.samples, options.rate)
        delays = sorted(each / 1e6 for each in (await process.hear("sampled"))["delays"])
        figures["latency_p50_ms"] = statistics.median(delays)
        figures["latency_p99_ms"] = delays[min(len(delays) - 1, int(len(delays) * 0.99))]
        figures["peak_rss_mb"] = process.resident_mb("VmHWM")
    return figures


async def contest(plane: ControlPlane, folder: Path, options: argparse.Namespace) -> dict[str, list[Figures]]:
    """All rounds; who begins changes from round to round."""
    who = [each for each in contestants() if each.name in options.only]
    found: dict[str, list[Figures]] = {each.name: [] for each in who}
    async with Client(plane.config) as client:
        world = World(plane, client, options.objects)
        rate = await world.fill(folder)
        tell(f"{options.objects} objects of {await world.bytes_each()} bytes, made at {rate:.0f} writes a second")
        for n in range(options.rounds):
            for contestant in who[n % len(who) :] + who[: n % len(who)]:
                figures = await turn(contestant, world, folder, options)
                found[contestant.name].append(figures)
                told = "  ".join(f"{name} {value:.2f}" for name, value in figures.items())
                tell(f"round {n + 1} {contestant.name:5} {told}")
    return found


def ratios(found: Mapping[str, Sequence[Figures]]) -> Figures:
    """Our median over theirs."""
    made: Figures = {}
    for rival in found:
        if rival == "ours" or "ours" not in found:
            continue
        for key, name in RATIOS.items():
            ours, theirs = (statistics.median(each[name] for each in found[who]) for who in ("ours", rival))
            made[f"{key}_ratio_{rival}"] = max(ours, LEAST) / max(theirs, LEAST)
    return made


def summary(found: Mapping[str, Sequence[Figures]]) -> dict[str, dict[str, list[float]]]:
    """Of each figure the median, the least and the most."""
    return {
        who: {name: [f(each[name] for each in rounds) for f in (statistics.median, min, max)] for name in rounds[0]}
        for who, rounds in found.items()
    }


def tell(text: str) -> None:
    """For whoever waits."""
    print(text, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    import hack.benchmarks.core as package

    parser = argparse.ArgumentParser(
        prog="hack/bench core", description=package.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=5000, metavar="N", help="5000")
    parser.add_argument("--changes", type=int, default=2000, metavar="C", help="2000")
    parser.add_argument("--samples", type=int, default=1000, help="changes whose latency is measured (1000)")
    parser.add_argument("--rate", type=float, default=50.0, metavar="R", help="of those a second (50)")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds (60)")
    parser.add_argument("--rest", type=float, default=5.0, help="seconds before these (5)")
    parser.add_argument("--workers", type=int, default=10, help="of each (10)")
    parser.add_argument("--rounds", type=int, default=5, help="5")
    everybody = ["ours", "bare", "kopf", "cr"]
    parser.add_argument("--only", nargs="+", default=everybody, choices=everybody)
    parser.add_argument("--json", action="store_true", help="figures as JSON on the standard output")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="nmstate-k8s-bench-") as folder, ControlPlane.start() as plane:
        found = asyncio.run(contest(plane, Path(folder), options))
    figures, made = summary(found), ratios(found)
    if options.json:
        print(json.dumps({"figures": figures, **made}))
        return 0
    for who, each in figures.items():
        for name, (median, least, most) in each.items():
            print(f"{who:5} {name:20} {median:9.2f}   {least:.2f} … {most:.2f}")
    for name, value in made.items():
        print(f"{name:26} {value:6.2f}")
    return 0
