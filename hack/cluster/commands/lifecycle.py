"""`up`, `down`, `build`, `doctor`: the lab as a whole."""

from __future__ import annotations

import argparse

from .. import build as builds
from .. import doctor as doctors
from .. import lab
from ..locks import exclusive
from ..paths import Paths
from ..plan import MAX_NODES
from ..say import Progress

__all__ = ["build", "doctor", "down", "up"]


OVS_HELP = "nodes with Open vSwitch, and a NetworkManager that knows it (two minutes more, once)"


def _provide(paths: Paths, progress: Progress, open_vswitch: bool) -> None:
    """Build what is missing, after installing what the builds need."""
    if not builds.complete(paths, open_vswitch=open_vswitch):
        doctors.provide(progress)
        builds.build(paths, progress, open_vswitch=open_vswitch)


def _number_of_nodes(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MAX_NODES:
        raise argparse.ArgumentTypeError(f"a lab has 1 to {MAX_NODES} nodes")
    return number


def up(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Start the lab and wait until all its nodes are Ready. What is missing is built first (and kept). "
        "A running lab is completed: parts that ended and nodes that are off are started, more nodes are added."
    )
    parser.add_argument(
        "--nodes", type=_number_of_nodes, metavar="N", help="how many nodes (2; a running lab never gets fewer)"
    )
    parser.add_argument("--ovs", action="store_true", help=OVS_HELP)
    parser.add_argument("--memory", type=int, default=1280, metavar="MIB", help="memory of each node (1280)")

    def run(paths: Paths, arguments: argparse.Namespace) -> int:
        progress = Progress()
        with exclusive(paths):
            if not lab.exists(paths):
                _provide(paths, progress, arguments.ovs)
            lab.up(paths, progress, count=arguments.nodes, memory=arguments.memory, open_vswitch=arguments.ovs)
        progress.tell("the lab is up")
        return 0

    parser.set_defaults(run=run)


def build(parser: argparse.ArgumentParser) -> None:
    parser.description = "Build all parts of the lab that are missing, and start nothing."
    parser.add_argument("--ovs", action="store_true", help=OVS_HELP)

    def run(paths: Paths, arguments: argparse.Namespace) -> int:
        progress = Progress()
        _provide(paths, progress, arguments.ovs)
        return 0

    parser.set_defaults(run=run)


def down(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "End the lab at once and forget it: processes, networks, the nodes' disks. What was built is kept."
    )

    def run(paths: Paths, _: argparse.Namespace) -> int:
        progress = Progress()
        progress.tell("the lab is down" if lab.down(paths) else "no lab was running")
        return 0

    parser.set_defaults(run=run)


def doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Say what this machine lacks for the lab, a line each with its remedy. Status 1: something lacks."
    )

    def run(paths: Paths, _: argparse.Namespace) -> int:
        findings = doctors.examine(paths)
        for finding in findings:
            print(finding.line())
        lacking = sum(not finding.good for finding in findings)
        print("nothing lacks: `hack/lab up` can start" if not lacking else f"{lacking} to remedy")
        return 1 if lacking else 0

    parser.set_defaults(run=run)
