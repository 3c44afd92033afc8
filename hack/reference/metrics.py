"""docs/reference/metrics.md: what each program has registered once all of it is loaded.

Each program is loaded in a process of its own, since a module's metrics are there as soon as it is imported.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from hack.reference.markdown import code, table
from nmstate_k8s.core.metrics import METRICS
from nmstate_k8s.domain.observed import families as cluster

ROOT = Path(__file__).resolve().parents[2]

PROGRAMS = {
    "operator": "nmstate_k8s.apps.run_operator",
    "controller": "nmstate_k8s.apps.run_controller",
    "node": "nmstate_k8s.apps.run_node",
}

INTRODUCTION = """# Metrics

Names, labels and meaning of all metrics, by the program that has them: the operator, the controller (Deployment
`nmstate-webhook`), the node's handler. Histograms come as `…_bucket`, `…_sum` and `…_count`. `process_…` are the
Prometheus client's own, and `controller_runtime_…`, `workqueue_…`, `leader_election_…` and `rest_client_…` have the
names and labels that controller-runtime gives them.

"""


class Family(NamedTuple):
    """One metric."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


def page() -> str:
    """The whole page."""
    rows = [
        (code(family.name), family.type, ", ".join(map(code, family.labels)), ", ".join(where), family.help)
        for family, where in sorted(known().items())
    ]
    return INTRODUCTION + table(("metric", "type", "labels", "of", "what"), rows)


def known() -> dict[Family, list[str]]:
    """All metrics, and the programs that have them."""
    programs: dict[Family, list[str]] = {}
    for program, module in PROGRAMS.items():
        for family in _of_a_process(module):
            programs.setdefault(family, []).append(program)
    for name, text, labels in cluster.FAMILIES:  # registered while the controller leads
        programs[Family(name, "gauge", labels, text)] = ["controller (the leader)"]
    return programs


def _of_a_process(module: str) -> list[Family]:
    """What is registered in a process that has loaded the program and nothing else."""
    command = (sys.executable, "-c", f"from hack.reference import metrics; metrics.tell({module!r})")
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Family(name, type_, tuple(labels), text) for name, type_, labels, text in json.loads(said)]


def tell(module: str) -> None:
    """Print as JSON what is registered once `module` is loaded."""
    importlib.import_module(module)
    print(json.dumps(list(_families(METRICS.registry))))


def _families(registry: CollectorRegistry) -> Iterator[Family]:
    for collector in list(registry._collector_to_names):  # there is no public way to ask for labels
        described = getattr(collector, "describe", collector.collect)()
        for family in described or collector.collect():
            labels = getattr(collector, "_labelnames", None)
            if labels is None:
                labels = sorted({name for sample in family.samples for name in sample.labels} - {"le"})
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Family(name, family.type, tuple(labels), family.documentation)
