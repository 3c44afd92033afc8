"""What is exposed has controller-runtime's and client-go's own names and labels: people's dashboards rely on it."""

import asyncio
import subprocess
import sys

import pytest

from nmstate_k8s.core.controller import Controller, Result
from nmstate_k8s.core.metrics import Metrics
from nmstate_k8s.core.objects import Key

CONTROLLER_RUNTIME = {
    "controller_runtime_reconcile_total": ("counter", {"controller", "result"}),
    "controller_runtime_reconcile_errors_total": ("counter", {"controller"}),
    "controller_runtime_reconcile_panics_total": ("counter", {"controller"}),
    "controller_runtime_reconcile_timeouts_total": ("counter", {"controller"}),
    "controller_runtime_terminal_reconcile_errors_total": ("counter", {"controller"}),
    "controller_runtime_reconcile_time_seconds": ("histogram", {"controller"}),
    "controller_runtime_max_concurrent_reconciles": ("gauge", {"controller"}),
    "controller_runtime_active_workers": ("gauge", {"controller"}),
    "workqueue_depth": ("gauge", {"name", "controller", "priority"}),
    "workqueue_adds_total": ("counter", {"name", "controller"}),
    "workqueue_retries_total": ("counter", {"name", "controller"}),
    "workqueue_queue_duration_seconds": ("histogram", {"name", "controller"}),
    "workqueue_work_duration_seconds": ("histogram", {"name", "controller"}),
    "workqueue_unfinished_work_seconds": ("gauge", {"name", "controller"}),
    "workqueue_longest_running_processor_seconds": ("gauge", {"name", "controller"}),
    "rest_client_requests_total": ("counter", {"code", "method", "host"}),
    "leader_election_master_status": ("gauge", {"name"}),
    "controller_runtime_webhook_requests_total": ("counter", {"webhook", "code"}),
    "controller_runtime_webhook_latency_seconds": ("histogram", {"webhook"}),
    "controller_runtime_webhook_requests_in_flight": ("gauge", {"webhook"}),
    "controller_runtime_webhook_panics_total": ("counter", set()),
    "certwatcher_read_certificate_total": ("counter", set()),
    "certwatcher_read_certificate_errors_total": ("counter", set()),
}
OUR_OWN = {"process_asyncio_tasks": ("gauge", set[str]())}


def families(metrics: Metrics) -> dict[str, tuple[str, set[str]]]:
    """Name, type and labels of all that there is, also of what has no value yet."""
    found = {}
    for collector in metrics.registry._collector_to_names:
        name = collector._name + ("_total" if collector._type == "counter" else "")
        found[name] = (collector._type, set(collector._labelnames))
    return found


def test_names_and_labels_are_what_dashboards_ask_for() -> None:
    """All of them, of the right type, and no other."""
    assert families(Metrics()) == CONTROLLER_RUNTIME | OUR_OWN


def test_buckets_are_controller_runtimes() -> None:
    """A quantile over programs in both languages needs the same bounds."""
    metrics = Metrics()
    assert metrics.reconcile_seconds._kwargs["buckets"][0] == 0.005
    assert metrics.reconcile_seconds._kwargs["buckets"][-1] == 60
    assert [f"{bound:.0e}" for bound in metrics.queue_seconds._kwargs["buckets"]] == [
        *("1e-08", "1e-07", "1e-06", "1e-05", "1e-04", "1e-03", "1e-02", "1e-01", "1e+00", "1e+01", "1e+02", "1e+03"),
    ]


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_endings_are_told_apart_by_controller_runtimes_words() -> None:
    """success, requeue_after, error, and nothing else: the label `result`."""
    metrics = Metrics()
    ends: list[Result | Exception | None] = [None, Result(requeue_after=1.0), RuntimeError("no"), None]

    class Ends:
        """A reconciler that ends as it is told."""

        async def reconcile(self, key: Key) -> Result | None:
            end = ends.pop(0)
            if isinstance(end, Exception):
                raise end
            return end

    controller = Controller("thing", Ends(), metrics=metrics)
    running = asyncio.create_task(controller.run())
    controller.enqueue(Key("", "one"))
    await asyncio.sleep(0.1)
    controller.enqueue(Key("", "two"))
    await asyncio.sleep(30)
    running.cancel()
    await asyncio.wait({running})
    sample = metrics.registry.get_sample_value
    counted = {
        result: sample("controller_runtime_reconcile_total", {"controller": "thing", "result": result})
        for result in ("success", "error", "requeue_after", "requeue")
    }
    assert ends == []
    assert counted == {"success": 2, "error": 1, "requeue_after": 1, "requeue": 0}
    assert sample("workqueue_adds_total", {"name": "thing", "controller": "thing"}) == 4
    assert sample("workqueue_retries_total", {"name": "thing", "controller": "thing"}) == 1


def test_the_process_is_in_it_and_pythons_garbage_is_not() -> None:
    """Figures of a fresh process, by Prometheus' own names: in this one other tests have queues on clocks of theirs."""
    ask = "from nmstate_k8s.core.metrics import METRICS; print(*(each.name for each in METRICS.registry.collect()))"
    names = set(subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split())
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds"} <= names
    assert not any(name.startswith("python_gc") for name in names)
