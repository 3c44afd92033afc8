"""Reports follow the node: soon, seldom, and not for pods; events, metrics and logs tell of one transaction alike."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from e2e.kit import Cluster, Node, eventually
from e2e.kit.cluster import HANDLER_NAMESPACE
from e2e.kit.metrics import Metrics, handler_metrics
from e2e.kit.nodestate import ReportWatcher, Seen, at_rest
from e2e.kit.pace import Pace

Json = dict[str, Any]
LOOKS, WRITES = "nmstate_handler_state_look_seconds_count", "nmstate_handler_state_writes_total"
REQUESTS = "rest_client_requests_total"
DUMMY = "reported1"
WRITE_SECONDS = 10.0
WATCHES = 2
"""Of its enactments and of its report: the server ends each after five to ten minutes, whereupon it is asked for anew.
They are counted apart from other requests, as WATCH."""
REPORT_SECONDS, REFRESH_SECONDS, TRIALS = 2.0, 3.0, 5
"""What is asked is asked of the median: one trial of five that a busy machine delays says nothing, three do."""


@contextmanager
def dummy(node: Node, name: str = DUMMY) -> Iterator[None]:
    """A link beside everything that NetworkManager cares for."""
    node.exec("ip", "link", "add", name, "type", "dummy")
    try:
        yield
    finally:
        node.exec("ip", "link", "delete", name, check=False)


def refresh(cluster: Cluster, node: Node) -> None:
    """Ask for a look now."""
    cluster.kubectl("label", "nns", node.name, f"nmstate.io/force-nns-refresh={time.time_ns()}", "--overwrite")


def has_mtu(mtu: int) -> Callable[[Seen], bool]:
    return lambda seen: seen.interfaces.get(DUMMY, {}).get("mtu") == mtu


def test_a_change_is_reported_within_two_seconds(cluster: Cluster, nodes: list[Node]) -> None:
    """After a rest, as a rule of many trials; more only where the machine is slow with everything."""
    pace, delays = Pace(cluster), list[float]()
    for trial in range(TRIALS):
        node = nodes[trial % len(nodes)]
        with ReportWatcher(cluster, node.name) as reports:
            at_rest(cluster, node)
            pace.take()
            begun = time.monotonic()
            with dummy(node):
                shown = reports.wait("the link", lambda seen: DUMMY in seen.interfaces, timeout=20, since=begun)
            delays.append(shown.at - begun)
            pace.take()
    allowed = pace.allows(REPORT_SECONDS)
    assert statistics.median(delays) <= allowed, f"changes were in the report after {delays} s; {pace}"


def test_churn_is_reported_seldom_and_a_forced_refresh_at_once(cluster: Cluster, nodes: list[Node]) -> None:
    """While changes go on one write in ten seconds; the last one is reported too.

    A forced refresh does not wait for its turn, which would come ten seconds later. Its time counts from the moment
    that the API server has the label: consoles read again three seconds after that.
    """
    node = nodes[0]
    with ReportWatcher(cluster, node.name) as reports:
        before = at_rest(cluster, node)
        with dummy(node):
            started = time.monotonic()
            node.sh(f"for mtu in $(seq 2001 2040); do ip link set {DUMMY} mtu $mtu; sleep 0.3; done")
            lasted = time.monotonic() - started
            reports.wait("the last MTU", has_mtu(2040), timeout=WRITE_SECONDS + 8, since=started)
            writes = handler_metrics(node).value(WRITES) - before.value(WRITES)
            assert writes <= 2 + lasted / WRITE_SECONDS, f"{writes:.0f} writes in {lasted:.0f} s of churn"

            pace, delays = Pace(cluster), list[float]()
            for mtu in range(3000, 3000 + TRIALS):
                pace.take()
                begun = time.monotonic()
                node.exec("ip", "link", "set", DUMMY, "mtu", str(mtu))
                refresh(cluster, node)
                labelled = time.monotonic()
                shown = reports.wait("the MTU, asked for", has_mtu(mtu), timeout=20, since=begun)
                delays.append(shown.at - labelled)
            allowed = pace.allows(REFRESH_SECONDS)
            assert statistics.median(delays) <= allowed, f"refreshes were answered after {delays} s; {pace}"


def test_other_dns_servers_are_reported_within_two_seconds(cluster: Cluster, nodes: list[Node]) -> None:
    """NetworkManager tells of them, the kernel does not: a look for a change, and not the one of every minute."""
    pace, delays, node = Pace(cluster), list[float](), nodes[-1]
    modify = ("nmcli", "device", "modify", "eth1")
    with ReportWatcher(cluster, node.name) as reports:
        try:
            node.exec(*modify, "ipv4.method", "manual", "ipv4.addresses", "198.51.100.9/24", "ipv4.dns", "192.0.2.1")
            reports.wait("the first server", _resolves_by("192.0.2.1"), timeout=30)
            for last in range(2, 2 + TRIALS):
                looks = at_rest(cluster, node).value(LOOKS, cause="change")
                pace.take()
                begun = time.monotonic()
                node.exec(*modify, "ipv4.dns", f"192.0.2.{last}")
                shown = reports.wait("the server", _resolves_by(f"192.0.2.{last}"), timeout=90, since=begun)
                delays.append(shown.at - begun)
                eventually(
                    "the look is counted as one for a change",
                    lambda looks=looks: handler_metrics(node).value(LOOKS, cause="change") > looks,
                    timeout=5,
                )
        finally:
            node.exec("nmcli", "device", "reapply", "eth1")
    allowed = pace.allows(REPORT_SECONDS)
    assert statistics.median(delays) <= allowed, f"servers were in the report after {delays} s; {pace}"


def _resolves_by(server: str) -> Callable[[Seen], bool]:
    return lambda seen: server in seen.state.get("dns-resolver", {}).get("running", {}).get("server", [])


def test_pods_that_come_and_go_cost_no_look_and_no_write(cluster: Cluster, nodes: list[Node]) -> None:
    """Real pods, on a node that has others; and no write even where a look meets them half way."""
    pods = cluster.list("pods", "-n", HANDLER_NAMESPACE)
    busy = next(pod["spec"]["nodeName"] for pod in pods if not pod["spec"].get("hostNetwork"))
    node = next(each for each in nodes if each.name == busy)
    image = next(iter(cluster.handler_pods().values()))["spec"]["containers"][0]["image"]
    names = [f"passer-by-{number}" for number in range(3)]

    before = at_rest(cluster, node)
    _come_and_go(cluster, node, image, names)
    after = handler_metrics(node)
    assert after.value(LOOKS, cause="change") == before.value(LOOKS, cause="change")
    assert after.value(WRITES) == before.value(WRITES)

    with looked_at(cluster, node):
        _come_and_go(cluster, node, image, names)
    looked = handler_metrics(node)
    assert looked.value(LOOKS, cause="asked") > after.value(LOOKS, cause="asked") + len(names)
    assert looked.value(WRITES) == before.value(WRITES), cluster.get("nns", node.name)["status"]


def _come_and_go(cluster: Cluster, node: Node, image: str, names: list[str]) -> None:
    cluster.apply(*(_pod(name, image, node.name) for name in names))
    cluster.kubectl("wait", "pod", *names, "--for=condition=Ready", "--timeout=90s")
    veths = _veths(node)
    assert len(veths) >= len(names)
    cluster.delete("pod", *names)
    eventually("their links are gone", lambda: len(_veths(node)) <= len(veths) - len(names), timeout=30)


@contextmanager
def looked_at(cluster: Cluster, node: Node) -> Iterator[None]:
    """The node is looked at again and again."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            refresh(cluster, node)

    with ThreadPoolExecutor(1) as beside:
        looking = beside.submit(look)
        try:
            yield
        finally:
            over.set()
        looking.result()


def _veths(node: Node) -> list[str]:
    return [name for name in node.links() if name.startswith("veth")]


def _pod(name: str, image: str, node: str) -> Json:
    container = {
        "name": "pause",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", "import signal; signal.pause()"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0},
    }


def test_a_look_that_finds_nothing_costs_no_request(cluster: Cluster, nodes: list[Node]) -> None:
    """The handler looks once a minute; the report keeps its time, and names the versions of the node.

    No request at all: that a watch is asked for anew when the server ends it is no matter of the look.
    """
    for node in nodes:
        at_rest(cluster, node)
    before = {node.name: (handler_metrics(node), cluster.get("nns", node.name)) for node in nodes}
    for node in nodes:
        looks = before[node.name][0].value(LOOKS, cause="period")
        eventually(
            f"{node.name} looked",
            lambda node=node, looks=looks: handler_metrics(node).value(LOOKS, cause="period") > looks,
            timeout=80,
            every=1,
        )
        after = handler_metrics(node)
        asked = after.value(REQUESTS) - before[node.name][0].value(REQUESTS)
        watches = after.value(REQUESTS, method="WATCH") - before[node.name][0].value(REQUESTS, method="WATCH")
        assert asked - watches == 0, f"{node.name}: {asked - watches:.0f} requests beside watches"
        assert watches <= WATCHES
        assert cluster.get("nns", node.name) == before[node.name][1]
        status = before[node.name][1]["status"]
        assert status["hostNetworkManagerVersion"] == node.sh("NetworkManager --version").split("-")[0].strip()
        assert status["handlerNetworkManagerVersion"]
        assert status["handlerNmstateVersion"]


def test_events_metrics_and_logs_tell_of_one_transaction(cluster: Cluster, nodes: list[Node]) -> None:
    """Each turn is one event, on the policy and on the node; the log's lines carry the id that the enactment has."""
    node = nodes[0]
    desired = {"interfaces": [{"name": DUMMY, "type": "dummy", "state": "up"}]}
    before = handler_metrics(node)
    cluster.apply(cluster.policy("told", desired, nodeSelector={"kubernetes.io/hostname": node.name}))
    cluster.wait("nncp", "told", "Available")

    turns = ["ConfigurationProgressing", "SuccessfullyConfigured"]
    for kind, name in (("Node", node.name), ("NodeNetworkConfigurationPolicy", "told")):
        eventually(
            f"the events about {name}",
            lambda kind=kind, name=name: sorted(_reasons(cluster, kind, name)) == turns,
            timeout=15,
        )
    status = cluster.enactments("told")[node.name]["status"]
    after = handler_metrics(node)
    assert _grown(before, after, "nmstate_handler_transactions_total", outcome="configured") == 1
    for stage in ("apply", "probe", "commit"):
        assert status["timing"][stage] > 0
        assert _grown(before, after, "nmstate_handler_stage_seconds_count", stage=stage) == 1
    assert _grown(before, after, "nmstate_handler_probe_seconds_count", probe="api-server", result="Passed") == 1
    assert after.value("nmstate_handler_state_age_seconds") < 60
    assert after.value("nmstate_handler_state_bytes") > 1000

    pod = cluster.handler_pods()[node.name]["metadata"]["name"]
    log = cluster.kubectl("logs", "-n", HANDLER_NAMESPACE, pod).stdout.splitlines()
    of_it = [line for line in log if f"transaction={status['transactionId']}" in line]
    for event in ('event="transaction begins"', "event=step", "event=libnmstate", 'event="transaction ended"'):
        assert any(event in line for line in of_it), f"no line with {event} carries the id"


def _reasons(cluster: Cluster, kind: str, name: str) -> list[str]:
    """The reasons of our events about an object and the policy `told`, once for each time that they happened."""
    selector = f"involvedObject.kind={kind},involvedObject.name={name}"
    items = json.loads(cluster.kubectl("get", "events", "--field-selector", selector, "-o", "json").stdout)["items"]
    return [
        each["reason"]
        for each in items
        if each["reportingComponent"].startswith("nmstate") and (kind != "Node" or "policy told," in each["message"])
        for _ in range(each.get("series", {}).get("count", 1))
    ]


def _grown(before: Metrics, after: Metrics, name: str, **labels: str) -> float:
    return after.value(name, **labels) - before.value(name, **labels)
