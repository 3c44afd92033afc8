"""What reporting costs and how late it is.

idle      the handler for some minutes in which nothing changes: CPU seconds, requests to the API server, writes
latency   from `ip link add` on the node until a watch of its NodeNetworkState sees the link, and the same for its
          removal; each after the report has been at rest. Beside it, how long a bare `kubectl get` takes meanwhile:
          what a busy machine adds is to be seen
refresh   from the moment that the API server has a new force-nns-refresh label until a watch sees what changed right
          before it, while the report's own turn would come ten seconds later
memory    the handler's resident set when idle, with N more interfaces and after they are gone; and how long a
          look at the node's state takes with them
A look takes as long as NetworkManager needs to tell of each device: N interfaces are to be had with patience.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from e2e.kit import Cluster, Node, eventually
from e2e.kit.install import deploy, lab_or_exit
from e2e.kit.metrics import handler_metrics
from e2e.kit.nodestate import ReportWatcher, Seen, at_rest
from e2e.kit.pace import Pace

__all__ = ["main"]

LINK = "bench1"
WRITES, LOOKS = "nmstate_handler_state_writes_total", "nmstate_handler_state_look_seconds"
PATIENCE_SECONDS = 1800.0


def idle(cluster: Cluster, node: Node, minutes: float) -> dict[str, float]:
    """What the handler uses in these minutes."""
    before, begun = at_rest(cluster, node), time.monotonic()
    time.sleep(minutes * 60)
    after, lasted = handler_metrics(node), time.monotonic() - begun

    def used(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    requests = used("rest_client_requests_total")
    reads = {each: used("rest_client_requests_total", method=each) for each in ("GET", "WATCH")}
    return {
        "idle_minutes": lasted / 60,
        "idle_cpu_seconds": used("process_cpu_seconds_total"),
        "idle_looks": used(f"{LOOKS}_count"),
        "idle_requests": requests,
        "idle_watches": reads["WATCH"],
        "idle_gets": reads["GET"],
        "idle_writes": requests - sum(reads.values()),
    }


def latency(cluster: Cluster, node: Node, trials: int, pace: Pace) -> list[float]:
    """Seconds until a link that comes, and one that goes, is in the report."""
    seconds: list[float] = []
    with ReportWatcher(cluster, node.name) as reports:
        for _ in range(trials):
            for verb, there in (("add", True), ("delete", False)):
                at_rest(cluster, node)
                pace.take()
                begun = time.monotonic()
                node.exec("ip", "link", verb, LINK, *(("type", "dummy") if there else ()))
                shown = reports.wait(f"{LINK} after {verb}", _shows(LINK, there), timeout=60, since=begun)
                seconds.append(shown.at - begun)
    return seconds


def refresh(cluster: Cluster, node: Node, trials: int) -> list[float]:
    """Seconds until a forced refresh is answered, each right after a write."""
    seconds: list[float] = []
    with ReportWatcher(cluster, node.name) as reports:
        node.exec("ip", "link", "add", LINK, "type", "dummy")
        try:
            reports.wait(LINK, _shows(LINK, True), timeout=60)
            for mtu in range(3000, 3000 + trials):
                begun = time.monotonic()
                node.exec("ip", "link", "set", LINK, "mtu", str(mtu))
                label = f"nmstate.io/force-nns-refresh={time.time_ns()}"
                cluster.kubectl("label", "nns", node.name, label, "--overwrite")
                labelled = time.monotonic()
                shown = reports.wait(f"MTU {mtu}", _has_mtu(mtu), timeout=60, since=begun)
                seconds.append(max(0.0, shown.at - labelled))
        finally:
            node.exec("ip", "link", "delete", LINK, check=False)
    return seconds


def _has_mtu(mtu: int) -> Callable[[Seen], bool]:
    return lambda seen: seen.interfaces.get(LINK, {}).get("mtu") == mtu


def _shows(link: str, there: bool) -> Callable[[Seen], bool]:
    return lambda seen: (link in seen.interfaces) is there


def memory(node: Node) -> tuple[float, float]:
    """(resident now, resident at most) of the handler in MB."""
    text = node.sh("grep -h -e VmRSS -e VmHWM /proc/$(pgrep -f '[n]mstate-handler node' | head -1)/status")
    values = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in text.splitlines()}
    return values["VmRSS"], values["VmHWM"]


def many(cluster: Cluster, node: Node, count: int) -> dict[str, float]:
    """Memory and the length of a look with so many interfaces more, and memory when they are gone."""
    before = at_rest(cluster, node)  # what was tried before is out of the report
    expected = before.value("nmstate_handler_state_interfaces")
    _links(node, count, "add LINK type dummy")
    wanted = expected + count
    _wait_for_interfaces(node, wanted)
    first = handler_metrics(node).value(f"{LOOKS}_count")
    eventually(
        "a second look",
        lambda: handler_metrics(node).value(f"{LOOKS}_count") > first,
        timeout=PATIENCE_SECONDS,
        every=2,
    )
    now, peak = memory(node)
    with_them = handler_metrics(node)
    looks = with_them.value(f"{LOOKS}_count") - before.value(f"{LOOKS}_count")
    _links(node, count, "delete LINK")
    _wait_for_interfaces(node, expected)
    return {
        "many_interfaces": count,
        "many_rss_mb": now,
        "many_peak_mb": peak,
        "many_state_bytes": with_them.value("nmstate_handler_state_bytes"),
        "many_look_seconds": (with_them.value(f"{LOOKS}_sum") - before.value(f"{LOOKS}_sum")) / looks,
        "afterwards_rss_mb": memory(node)[0],
    }


def _links(node: Node, count: int, what: str) -> None:
    line = f"link {what}".replace("LINK", "many&")
    node.sh(f"seq 1 {count} | sed 's/.*/{line}/' > /run/bench-links; ip -batch /run/bench-links", timeout=600)


def _wait_for_interfaces(node: Node, count: float) -> None:
    eventually(
        f"{count:.0f} interfaces in the report",
        lambda: handler_metrics(node).value("nmstate_handler_state_interfaces") == count,
        timeout=PATIENCE_SECONDS,
        every=2,
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="hack/bench report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object at the end")
    parser.add_argument("--minutes", type=float, default=10.0, help="of idleness (default 10; 0: none)")
    parser.add_argument("--trials", type=int, default=3, help="of latency and of refreshes (default 3; 0: none)")
    parser.add_argument("--interfaces", type=int, default=100, help="how many more (default 100; 0: none)")
    options = parser.parse_args(argv)

    lab_or_exit()
    deploy()
    cluster = Cluster()
    cluster.delete_policies()
    node = cluster.nodes()[-1]

    at_rest(cluster, node)
    figures: dict[str, float] = {}

    def found(**measured: float) -> None:
        """Told as soon as it is known: all of it takes half an hour, and the last part the longest."""
        figures.update(measured)
        for name, value in measured.items():
            print(f"{name:24} {value:10.2f}", flush=True)

    found(idle_rss_mb=memory(node)[0])
    if options.minutes:
        found(**idle(cluster, node, options.minutes))
    if options.trials:
        pace = Pace(cluster)
        delays = latency(cluster, node, options.trials, pace)
        found(latency_seconds=statistics.median(delays), latency_worst_seconds=max(delays))
        found(bare_get_seconds=pace.median)
        answers = refresh(cluster, node, options.trials)
        found(refresh_seconds=statistics.median(answers), refresh_worst_seconds=max(answers))
    if options.interfaces:
        found(**many(cluster, node, options.interfaces))
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return 0
