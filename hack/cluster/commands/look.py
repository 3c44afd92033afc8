"""`status`, `logs`, `env`, `kubectl`, `net`: looking at the lab, and reaching it with other tools."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from pathlib import Path

from .. import agent, binaries, controlplane, dnsmasq, lab, nodes, plan
from ..api import Api
from ..errors import LabError
from ..paths import Paths
from ..run import become
from ..say import elapsed
from ..session import Session

__all__ = ["env", "kubectl", "logs", "net", "status"]

NET_HELP = """\
usage: hack/lab net [--] COMMAND…

Run a command of this machine in the lab's network. The bridges wire0, wire1 and wire2 are the wires of eth0, eth1 and
eth2, with a port for each node: `hack/lab net tcpdump -i wire0`.
"""


def status(parser: argparse.ArgumentParser) -> None:
    parser.description = "Tell what runs. Status 0: everything does; 3: no lab is up; 1: some part is missing."

    def run(paths: Paths, _: argparse.Namespace) -> int:
        session = Session.find(paths)
        if session is None:
            print("no lab is running")
            return 3
        parts = session.parts()
        good = True
        for name in ("dns", "forward", *controlplane.PARTS, *_wires_served(parts)):
            part = parts.get(name, {})
            good = good and bool(part.get("running"))
            print(f"{name:26}{_part_state(part)}")
        for node in lab.known_nodes(paths):
            line, ready = _node_state(session, node, parts.get(node.name, {}))
            good = good and ready
            print(f"{node.name:26}{line}")
        return 0 if good else 1

    parser.set_defaults(run=run)


def _wires_served(parts: dict[str, dict[str, object]]) -> list[str]:
    names = [dnsmasq.part(wire) for wire in plan.WIRES[1:]]
    return [name for name in names if parts.get(name, {}).get("running")]


def _part_state(part: dict[str, object]) -> str:
    if not part:
        return "never started"
    if not part["running"]:
        return f"ended with {part['status']}"
    starts = int(str(part["starts"]))
    again = f", started {starts} times" if starts > 1 else ""
    return f"running for {elapsed(time.time() - float(str(part['started'])))}{again}"


def _node_state(session: Session, node: plan.Node, part: dict[str, object]) -> tuple[str, bool]:
    if not part.get("running"):
        return f"off, {_part_state(part)}", False
    try:
        ready = nodes.ready(session, Api(session), node)
        kubernetes = "Ready" if ready else "not Ready"
    except LabError as error:
        ready, kubernetes = False, str(error)
    out = nodes.pulled(session, node)
    cables = f", cable pulled: {', '.join(out)}" if out else ""
    return f"on, {kubernetes}, {node.address}{cables}", ready


def logs(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "The log of a part of the control plane, or a node's journal (its console where the node is off). "
        "Parts: supervisor, dns, dhcp-eth1, dhcp-eth2, forward, " + ", ".join(controlplane.PARTS) + "."
    )
    parser.add_argument("name", metavar="NODE|PART")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    parser.add_argument("--console", action="store_true", help="a node's console, over all its boots")
    parser.add_argument("-n", "--lines", type=int, metavar="N", help="only the last N lines")

    def run(paths: Paths, arguments: argparse.Namespace) -> int:
        node = plan.node(arguments.name)
        session = Session.find(paths)
        if node and session and not arguments.console and agent.answers(session.socket_path, node):
            words = ["journalctl", "--no-pager", "-o", "short-monotonic"]
            words += ["-n", str(arguments.lines)] if arguments.lines is not None else []
            return agent.pass_through(session.socket_path, node, words + (["-f"] if arguments.follow else []), None)
        file = paths.logs / f"{arguments.name}.log"
        if not file.exists():
            known = sorted(path.stem for path in paths.logs.glob("*.log"))
            raise LabError(
                f"there is no log of {arguments.name}; there are: {', '.join(known) or 'none, no lab is up'}"
            )
        lines = "+1" if arguments.lines is None else str(arguments.lines)
        return become("tail", "-n", lines, *(["-F"] if arguments.follow else []), file)

    parser.set_defaults(run=run)


def env(parser: argparse.ArgumentParser) -> None:
    parser.description = 'Shell lines for other tools: eval "$(hack/lab env)", and kubectl speaks to the lab.'

    def run(paths: Paths, _: argparse.Namespace) -> int:
        Session.get(paths)
        kubectl_folder = str(_kubectl(paths).parent)
        folders = [f for f in os.environ.get("PATH", os.defpath).split(":") if f != kubectl_folder]
        names = " ".join(node.name for node in lab.known_nodes(paths))
        variables = {
            "KUBECONFIG": str(paths.kubeconfig),
            "PATH": ":".join([kubectl_folder, *folders]),
            "LAB_STATE": str(paths.state),
            "LAB_NODES": names,
        }
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")
        return 0

    parser.set_defaults(run=run)


def _kubectl(paths: Paths) -> Path:
    found = binaries.find(paths, "kubectl")
    if found is None:
        raise LabError("kubectl is neither built nor found; run `hack/lab build`")
    return found


def kubectl(paths: Paths, argv: list[str]) -> int:
    """kubectl as admin of the lab; all words are its own."""
    Session.get(paths)
    os.environ["KUBECONFIG"] = str(paths.kubeconfig)
    return become(_kubectl(paths), *argv)


def net(paths: Paths, argv: list[str]) -> int:
    """A command of the host in the lab's network: where the nodes' wires, the router and the API server are."""
    words = argv[1:] if argv[:1] == ["--"] else argv
    if not words or words[0] in ("-h", "--help"):
        print(NET_HELP, end="")
        return 0 if words else 2
    return become(*Session.get(paths).inside(*words))
