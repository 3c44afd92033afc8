"""`power`, `cable`, `dhcp`, `load`: what is done to nodes and their wires."""

from __future__ import annotations

import argparse

from .. import dnsmasq, images, lab, nodes, plan
from ..errors import LabError
from ..locks import exclusive
from ..paths import Paths
from ..say import Progress
from ..session import Session

__all__ = ["cable", "dhcp", "load", "power"]


def power(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = """\
Switch a node, as at its power button and its plug. Its disk is kept.

  off    orderly power off; returns when the node's kernel has ended
  on     start the node; returns when it runs commands (hack/lab exec) and systemd has started everything that it
         starts at boot, NetworkManager and kubelet with it. Whether the network came up, and Ready in Kubernetes,
         is not waited for: a node may have lost its network
  reset  off, then on, in this order and with what each waits for
  cut    pull the plug: the kernel dies where it stands, and what was not yet written to the disk is lost

The pod processes of a node that was cut or switched off are gone; Kubernetes notices after some 40 seconds."""
    parser.add_argument("node", metavar="NODE")
    parser.add_argument("what", choices=("off", "on", "reset", "cut"))
    parser.add_argument("--no-wait", action="store_true", help="on, reset: return as soon as the kernel was started")
    parser.add_argument("--ready", action="store_true", help="on, reset: wait until Kubernetes says Ready, too")

    def run(paths: Paths, arguments: argparse.Namespace) -> int:
        with exclusive(paths, arguments.node):
            session = Session.get(paths)
            (node,) = lab.find_nodes(paths, [arguments.node])
            is_on = session.running(node.name)
            if arguments.what != "on" and not is_on:
                if arguments.what == "reset":
                    raise LabError(f"{node.name} is off; `hack/lab power {node.name} on` switches it on")
                return 0
            if arguments.what == "cut":
                nodes.cut(session, node)
            if arguments.what in ("off", "reset"):
                nodes.shut_down(session, node)
            if arguments.what in ("on", "reset"):
                nodes.on(session, node, memory=lab.settings(paths).memory)
        if arguments.what in ("on", "reset") and not arguments.no_wait:
            nodes.wait_booted(session, node)
            images.load_missed(session, node)
            if arguments.ready:
                nodes.wait_ready(session, node)
        return 0

    parser.set_defaults(run=run)


def cable(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Plug or pull the cable of a node's NIC: the node sees its carrier come or go at once. "
        "A cable stays as it is over power cycles."
    )
    parser.add_argument("node", metavar="NODE")
    parser.add_argument("nic", choices=plan.NICS, metavar="NIC", help="eth0, eth1 or eth2")
    parser.add_argument("what", choices=("up", "down"))

    def run(paths: Paths, arguments: argparse.Namespace) -> int:
        with exclusive(paths, arguments.node):
            session = Session.get(paths)
            (node,) = lab.find_nodes(paths, [arguments.node])
            nodes.set_cable(session, node, arguments.nic, up=arguments.what == "up")
        return 0

    parser.set_defaults(run=run)


def dhcp(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve DHCP (v4 and v6) on the wire of a NIC, for all nodes, or cease to. eth0's wire has it from the start; "
        "eth1 and eth2 get addresses only: no router, no DNS."
    )
    parser.add_argument("nic", choices=plan.NICS, metavar="NIC", help="eth0, eth1 or eth2")
    parser.add_argument("what", choices=("on", "off"))

    def run(paths: Paths, arguments: argparse.Namespace) -> int:
        with exclusive(paths, f"dhcp-{arguments.nic}"):
            session = Session.get(paths)
            wire = plan.WIRES[plan.NICS.index(arguments.nic)]
            dnsmasq.switch(session, wire, on=arguments.what == "on")
        return 0

    parser.set_defaults(run=run)


def load(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Put a container image into every node, also into nodes that are off now or come later. "
        "IMAGE: an image of this machine's podman, or a file that `podman save` or `docker save` wrote."
    )
    parser.add_argument("image", metavar="IMAGE", nargs="+")
    parser.add_argument("--as", dest="name", metavar="NAME", help="the name that pods call it by (one image only)")

    def run(paths: Paths, arguments: argparse.Namespace) -> int:
        if arguments.name and len(arguments.image) > 1:
            raise LabError("--as names one image: load the images one by one")
        progress = Progress()
        with exclusive(paths, "images"):
            session = Session.get(paths)
            for image in arguments.image:
                with progress.step(f"load {image}"):
                    images.load(session, image, lab.known_nodes(paths), name=arguments.name)
        return 0

    parser.set_defaults(run=run)
