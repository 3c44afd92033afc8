"""How much longer a policy takes than libnmstate alone, and what the handler weighs.

For each policy, alternating in one run on one node, either one first in every second round:
  ours   from the start of `kubectl apply` until a watch sees the policy Available for its generation
  alone  libnmstate's own apply, commit and show of the same state, called in the handler's container while the handler
         is stopped, lest it looks at what changes. The same: with the defaults that a policy gets, so that a bridge's
         ports carry VLANs 2 to 4094
The ratio is ours over alone (medians). Between measurements libnmstate removes what was made, and the handler comes to
rest: it looks at each change, and a look that is still going on costs whoever is measured next.
  stages     where the time of ours goes: the enactment's own timing (medians), and what is not the node's
  guards     the part of the whole that journal and restore unit cost: writing, checking, syncing and closing
  unchanged  a second policy that wants what the node already is, from `kubectl apply` until it is Available; the run
             ends where the handler's metrics say that the node was touched for it
Memory: the handler's resident set when idle after the run, and its peak since it started (both in MB).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE
from e2e.kit.install import deploy, lab_or_exit
from e2e.kit.metrics import Metrics, handler_metrics
from hack.benchmarks.policies import POLICIES, undo
from nmstate_k8s.domain.desired.defaults import with_defaults

__all__ = ["main"]

LOOKS = "nmstate_handler_state_look_seconds_count"
REST_SECONDS = 12.0
"""Without a look for as long there is none to come: it comes four times its length after a change at the latest."""

Json = dict[str, Any]
Timing = dict[str, float]

GUARDS = ("journal", "locate", "note", "check", "sync", "close")
"""Steps that are there for the journal and the restore unit alone (`domain.host.steps`)."""

_HANDLER = "$(pgrep -f '[n]mstate-handler node')"
_PYTHON = """
import json, sys, time, libnmstate
desired, show = json.loads(sys.argv[1]), sys.argv[2] == "show"
libnmstate.show()
start = time.monotonic()
libnmstate.apply(desired)
if show: libnmstate.show()
print(time.monotonic() - start)
"""


class AvailableWatch:
    """Sees the moment at which a policy is Available for its newest generation."""

    def __init__(self, cluster: Cluster, policy: str) -> None:
        self._cluster, self._policy = cluster, policy
        self._seen = threading.Event()
        self.at = 0.0

    def __enter__(self) -> AvailableWatch:
        columns = (
            "jsonpath={.metadata.name} {.metadata.generation} {.status.observedGeneration} "
            '{.status.conditions[?(@.type=="Available")].status}{"\\n"}'
        )
        self._process = subprocess.Popen(
            ["kubectl", "get", "nncp", "-w", "-o", columns],
            stdout=subprocess.PIPE,
            text=True,
            env=self._cluster.env,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()

    def wait(self, timeout: float) -> None:
        if not self._seen.wait(timeout):
            raise SystemExit(f"bench: {self._policy} was not Available\n{self._cluster.tell(self._policy)}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            name, generation, observed, available = [*line.split(" "), "", "", ""][:4]
            if name == self._policy and generation == observed and available.strip() == "True":
                self.at = time.monotonic()
                self._seen.set()


class Bench:
    def __init__(self, cluster: Cluster, node: Node) -> None:
        self.cluster, self.node = cluster, node

    def in_handler(self, desired: Json, *, show: bool) -> float:
        """Seconds of libnmstate's own apply (and show) in the handler's container."""
        pod = self.cluster.handler_pods()[self.node.name]["metadata"]["name"]
        argv = ("exec", "-n", HANDLER_NAMESPACE, pod, "--", "python3", "-c", _PYTHON)
        done = self.cluster.kubectl(*argv, json.dumps(desired), "show" if show else "apply")
        return float(done.stdout.strip().splitlines()[-1])

    def alone(self, desired: Json) -> float:
        self._rest()
        with self._stopped():
            seconds = self.in_handler(with_defaults(desired), show=True)
        self.in_handler(undo(desired), show=False)
        return seconds

    def ours(self, name: str, desired: Json) -> tuple[float, Timing]:
        """Seconds until Available, and how long each step took on the node."""
        self._rest()
        seconds = self._until_available(name, desired)
        (enactment,) = self.cluster.enactments(name).values()
        self._away(desired)
        return seconds, enactment["status"]["timing"]

    def unchanged(self, desired: Json) -> float:
        """Seconds of a policy that finds the node as it wants it.

        :raises SystemExit: if the node was touched all the same.
        """
        self._until_available("first", desired)
        self._rest()
        before = handler_metrics(self.node)
        seconds = self._until_available("same", desired)
        after = handler_metrics(self.node)
        self._away(desired)
        ended = _grown(before, after, "nmstate_handler_transactions_total", outcome="unchanged")
        touched = _grown(before, after, "nmstate_handler_stage_seconds_count", stage="journal")
        if (ended, touched) != (1, 0):
            raise SystemExit(f"bench: {ended:.0f} transactions ended as unchanged, {touched:.0f} had a journal")
        return seconds

    def _rest(self) -> None:
        """Until the handler has looked at whatever changed, and has nothing more to do."""
        looks, since = -1.0, 0.0

        def so() -> bool:
            nonlocal looks, since
            now = handler_metrics(self.node).value(LOOKS)
            if now != looks:
                looks, since = now, time.monotonic()
            return time.monotonic() - since > REST_SECONDS

        eventually("the handler is at rest", so, timeout=300, every=2)

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        """The handler's process does nothing."""
        self.node.sh(f"kill -STOP {_HANDLER}")
        try:
            yield
        finally:
            self.node.sh(f"kill -CONT {_HANDLER}")

    def _until_available(self, name: str, desired: Json) -> float:
        policy = self.cluster.policy(name, desired, nodeSelector={"kubernetes.io/hostname": self.node.name})
        with AvailableWatch(self.cluster, name) as watch:
            start = time.monotonic()
            self.cluster.apply(policy)
            watch.wait(300)
        return watch.at - start

    def _away(self, desired: Json) -> None:
        self.cluster.delete_policies()
        self.in_handler(undo(desired), show=False)

    def memory(self) -> tuple[float, float]:
        """(resident now, resident at most) of the handler in MB."""
        text = self.node.sh(f"for p in {_HANDLER}; do grep -e VmRSS -e VmHWM /proc/$p/status; done")
        values = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in text.splitlines()}
        return values["VmRSS"], values["VmHWM"]


def _grown(before: Metrics, after: Metrics, name: str, **labels: str) -> float:
    return after.value(name, **labels) - before.value(name, **labels)


class Found:
    """What was measured of one policy."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.alone: list[float] = []
        self.timings: list[Timing] = []

    def measure(self, bench: Bench, name: str, desired: Json, *, alone_first: bool) -> None:
        if alone_first:
            self.alone.append(bench.alone(desired))
        seconds, timing = bench.ours(name, desired)
        self.ours.append(seconds)
        self.timings.append(timing)
        if not alone_first:
            self.alone.append(bench.alone(desired))

    def figures(self) -> dict[str, float]:
        ours, alone = statistics.median(self.ours), statistics.median(self.alone)
        guards = [
            sum(timing.get(step, 0.0) for step in GUARDS) / whole
            for timing, whole in zip(self.timings, self.ours, strict=True)
        ]
        return {
            "ratio": ours / alone,
            "seconds": ours,
            "alone_seconds": alone,
            "guards_share": statistics.median(guards),
        }

    def stages(self) -> Timing:
        """Seconds by step; what is left is kubectl, API server, controller and watch."""
        names = dict.fromkeys(step for timing in self.timings for step in timing)
        found = {name: statistics.median(timing.get(name, 0.0) for timing in self.timings) for name in names}
        rest = (whole - sum(timing.values()) for timing, whole in zip(self.timings, self.ours, strict=True))
        return {**found, "beside": statistics.median(rest)}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="hack/bench apply", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object at the end")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="POLICY", choices=list(POLICIES), default=list(POLICIES))
    options = parser.parse_args(argv)

    lab_or_exit()
    deploy()
    cluster = Cluster()
    cluster.delete_policies()
    bench = Bench(cluster, cluster.nodes()[-1])

    found = {name: Found() for name in options.only}
    for number in range(options.rounds):
        for name, each in found.items():
            each.measure(bench, name, POLICIES[name], alone_first=number % 2 == 1)
            ours, alone = each.ours[-1], each.alone[-1]
            print(f"round {number + 1}: {name:14} ours {ours:6.2f} s   alone {alone:6.2f} s", flush=True)
    unchanged = [bench.unchanged(POLICIES["dummy"]) for _ in range(options.rounds)]
    idle, peak = bench.memory()

    figures: dict[str, float] = {"handler_idle_mb": idle, "handler_peak_mb": peak}
    print(f"\n{'policy':14} {'ours s':>8} {'alone s':>8} {'ratio':>6} {'guards':>7}   (medians of {options.rounds})")
    for name, each in found.items():
        its = each.figures()
        figures |= {f"{name.replace('-', '_')}_{key}": value for key, value in its.items()}
        print("{:14} {seconds:8.2f} {alone_seconds:8.2f} {ratio:6.2f} {guards_share:7.1%}".format(name, **its))
    for name, each in found.items():
        print(f"{name:14} {'  '.join(f'{step} {seconds:.2f}' for step, seconds in each.stages().items())}")
    figures |= {"unchanged_seconds": statistics.median(unchanged), "unchanged_worst_seconds": max(unchanged)}
    print(f"unchanged      {figures['unchanged_seconds']:8.2f}   (worst {max(unchanged):.2f})")
    print(f"handler: {idle:.0f} MB idle, {peak:.0f} MB at most")
    if options.json:
        print(json.dumps({key: round(value, 3) for key, value in figures.items()}))
    return 0
