"""How much longer a policy takes than libnmstate alone, and what the handler weighs.

For each policy, alternating in one run on one node:
  ours   from the start of `kubectl apply` until a watch sees the policy Available for its generation
  alone  libnmstate's own apply and show, called in the handler's container while the handler is idle
The ratio is ours over alone (medians). Between measurements libnmstate removes what was made.
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
from types import TracebackType
from typing import Any

from e2e.kit import Cluster, Node, run
from e2e.kit.cluster import HANDLER_NAMESPACE
from e2e.kit.metrics import Metrics, handler_metrics
from e2e.kit.shell import ROOT

__all__ = ["main"]

Json = dict[str, Any]

_STATIC = {"enabled": True, "dhcp": False, "address": [{"ip": "198.51.100.7", "prefix-length": 24}]}

POLICIES: dict[str, Json] = {
    "dummy": {"interfaces": [{"name": "dummy1", "type": "dummy", "state": "up", "ipv4": _STATIC}]},
    "bond-vlan": {
        "interfaces": [
            {
                "name": "bond1",
                "type": "bond",
                "state": "up",
                "link-aggregation": {"mode": "active-backup", "port": ["eth1", "eth2"]},
            },
            {
                "name": "bond1.102",
                "type": "vlan",
                "state": "up",
                "vlan": {"base-iface": "bond1", "id": 102},
                "ipv4": _STATIC,
            },
        ]
    },
    "linux-bridge": {
        "interfaces": [
            {
                "name": "br1",
                "type": "linux-bridge",
                "state": "up",
                "ipv4": {"enabled": False},
                "bridge": {"options": {"stp": {"enabled": False}}, "port": [{"name": "eth1"}]},
            }
        ]
    },
    "static-ip": {"interfaces": [{"name": "eth1", "type": "ethernet", "state": "up", "ipv4": _STATIC}]},
}

_PYTHON = """
import json, sys, time, libnmstate
desired, show = json.loads(sys.argv[1]), sys.argv[2] == "show"
libnmstate.show()
start = time.monotonic()
libnmstate.apply(desired)
if show: libnmstate.show()
print(time.monotonic() - start)
"""


def undo(desired: Json) -> Json:
    """The state that removes what `desired` made: virtual interfaces absent, NICs up without addresses."""
    absent = [
        {"name": i["name"], "type": i["type"], "state": "absent"}
        for i in desired["interfaces"]
        if i["type"] != "ethernet"
    ]
    bare = {"enabled": False}
    nics = [{"name": n, "type": "ethernet", "state": "up", "ipv4": bare, "ipv6": bare} for n in ("eth1", "eth2")]
    return {"interfaces": absent + nics}


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
        seconds = self.in_handler(desired, show=True)
        self.in_handler(undo(desired), show=False)
        return seconds

    def ours(self, name: str, desired: Json) -> float:
        seconds = self._until_available(name, desired)
        self._away(desired)
        return seconds

    def unchanged(self, desired: Json) -> float:
        """Seconds of a policy that finds the node as it wants it.

        :raises SystemExit: if the node was touched all the same.
        """
        self._until_available("first", desired)
        before = handler_metrics(self.node)
        seconds = self._until_available("same", desired)
        after = handler_metrics(self.node)
        self._away(desired)
        ended = _grown(before, after, "nmstate_handler_transactions_total", outcome="unchanged")
        touched = _grown(before, after, "nmstate_handler_stage_seconds_count", stage="journal")
        if (ended, touched) != (1, 0):
            raise SystemExit(f"bench: {ended:.0f} transactions ended as unchanged, {touched:.0f} had a journal")
        return seconds

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
        text = self.node.sh(
            "for p in $(pgrep -f '[n]mstate-handler node'); do grep -e VmRSS -e VmHWM /proc/$p/status; done"
        )
        values = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in text.splitlines()}
        return values["VmRSS"], values["VmHWM"]


def _grown(before: Metrics, after: Metrics, name: str, **labels: str) -> float:
    return after.value(name, **labels) - before.value(name, **labels)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="hack/bench apply", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object at the end")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)

    run(str(ROOT / "hack/lab"), "up", timeout=1800)
    run(str(ROOT / "hack/deploy"), timeout=1800)
    cluster = Cluster()
    cluster.delete_policies()
    bench = Bench(cluster, cluster.nodes()[-1])

    ours: dict[str, list[float]] = {name: [] for name in POLICIES}
    alone: dict[str, list[float]] = {name: [] for name in POLICIES}
    for number in range(options.rounds):
        for name, desired in POLICIES.items():
            ours[name].append(bench.ours(name, desired))
            alone[name].append(bench.alone(desired))
            print(
                f"round {number + 1}: {name:14} ours {ours[name][-1]:6.2f} s   alone {alone[name][-1]:6.2f} s",
                flush=True,
            )
    unchanged = [bench.unchanged(POLICIES["dummy"]) for _ in range(options.rounds)]
    idle, peak = bench.memory()

    figures: dict[str, float] = {"handler_idle_mb": idle, "handler_peak_mb": peak}
    print(f"\n{'policy':14} {'ours s':>8} {'alone s':>8} {'ratio':>6}   (medians of {options.rounds})")
    for name in POLICIES:
        a, b = statistics.median(ours[name]), statistics.median(alone[name])
        key = name.replace("-", "_")
        figures |= {f"{key}_ratio": a / b, f"{key}_seconds": a, f"{key}_alone_seconds": b}
        print(f"{name:14} {a:8.2f} {b:8.2f} {a / b:6.2f}")
    figures |= {"unchanged_seconds": statistics.median(unchanged), "unchanged_worst_seconds": max(unchanged)}
    print(f"unchanged      {figures['unchanged_seconds']:8.2f}   (worst {max(unchanged):.2f})")
    print(f"handler: {idle:.0f} MB idle, {peak:.0f} MB at most")
    if options.json:
        print(json.dumps({key: round(value, 3) for key, value in figures.items()}))
    return 0
