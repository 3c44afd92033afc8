"""The commands of `hack/lab`, one function each."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from . import agent, plan
from .errors import LabError
from .paths import Paths
from .session import Session, exclusive

__all__ = ["run"]


def run(paths: Paths, argv: list[str]) -> int:
    if argv[:1] == ["exec"]:
        return _exec(paths, argv[1:])
    if argv[:1] == ["kubectl"]:
        return _kubectl(paths, argv[1:])
    arguments = _parser().parse_args(argv)
    action: Callable[[Paths, argparse.Namespace], int] = arguments.action
    return action(paths, arguments)


def _node(name: str) -> plan.Node:
    found = plan.node(name)
    if found is None:
        raise LabError(f"{name} is no node's name; nodes are node1, node2 …: see `hack/lab status`")
    return found


def _exec(paths: Paths, argv: list[str]) -> int:
    name, *command = argv
    if command[:1] == ["--"]:
        command = command[1:]
    return agent.pass_through(Session.get(paths), _node(name), command, None)


def _kubectl(paths: Paths, argv: list[str]) -> int:
    from . import binaries

    Session.get(paths)
    program = binaries.find(paths, "kubectl")
    os.environ["KUBECONFIG"] = str(paths.kubeconfig)
    os.execv(str(program), ["kubectl", *argv])


def _up(paths: Paths, arguments: argparse.Namespace) -> int:
    from . import build, lab
    from .say import Progress

    progress = Progress()
    with exclusive(paths):
        build.build(paths, progress)
        lab.up(paths, progress, count=arguments.nodes, memory=arguments.memory)
    progress.tell("up")
    return 0


def _build(paths: Paths, arguments: argparse.Namespace) -> int:
    from . import build
    from .say import Progress

    build.build(paths, Progress())
    return 0


def _down(paths: Paths, arguments: argparse.Namespace) -> int:
    from . import lab

    with exclusive(paths):
        lab.down(paths)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hack/lab")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up")
    up.add_argument("--nodes", type=int)
    up.add_argument("--memory", type=int, default=1280)
    up.set_defaults(action=_up)
    commands.add_parser("build").set_defaults(action=_build)
    commands.add_parser("down").set_defaults(action=_down)
    return parser


_ = (shutil, sys, Path)
