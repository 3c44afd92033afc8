"""`hack/lab`: reads the command line, and tells what went wrong in one sentence."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .errors import LabError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

# Command, the module and function that knows it, and what it does. `raw`: takes all words behind it as they are.
COMMANDS = {
    "up": ("lifecycle", "start the lab, or complete it; builds what is missing"),
    "down": ("lifecycle", "end the lab; nothing stays behind"),
    "status": ("look", "what runs"),
    "kubectl": ("look", "kubectl as admin of the lab"),
    "exec": ("execute", "run a command in a node"),
    "logs": ("look", "the log of a part or a node"),
    "power": ("node", "switch a node off, on, reset it, or cut its power"),
    "cable": ("node", "plug or pull a node's network cable"),
    "dhcp": ("node", "serve DHCP on a wire, or cease to"),
    "load": ("node", "put a container image into the nodes"),
    "env": ("look", "shell lines that make other tools use the lab"),
    "net": ("look", "run a command of the host in the lab's network"),
    "build": ("lifecycle", "build everything, start nothing"),
    "doctor": ("lifecycle", "what this machine lacks for the lab"),
}
RAW = ("kubectl", "net")


def main(argv: Sequence[str]) -> int:
    """Run one command; its exit status."""
    try:
        return _dispatch(list(argv))
    except LabError as error:
        if error.output:
            print(error.output, file=sys.stderr)
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        return 141
    except OSError as error:
        if error.filename is None:
            raise
        print(f"lab: {error.filename}: {error.strerror}; is that place right, and is there room?", file=sys.stderr)
        return 1


def _dispatch(argv: list[str]) -> int:
    name, words = (argv[0], argv[1:]) if argv else ("--help", [])
    if name == "exec":
        from .commands import execute

        return execute.run(words)
    if name.startswith("_"):
        return _internal(argv)
    import signal
    from importlib import import_module

    from .paths import Paths

    signal.signal(signal.SIGINT, _interrupted)

    if name in RAW:
        return int(getattr(import_module(".commands.look", __package__), name)(Paths.of_user(), words))
    if name in COMMANDS:
        import argparse

        parser = argparse.ArgumentParser(prog=f"hack/lab {name}", allow_abbrev=False)
        module = import_module(f".commands.{COMMANDS[name][0]}", __package__)
        getattr(module, name)(parser)
        arguments: argparse.Namespace = parser.parse_args(words)
        return int(arguments.run(Paths.of_user(), arguments))
    return _help(name)


def _interrupted(*_: object) -> None:
    """Ctrl-C ends us at once, not when the last thread has waited its time: whatever we began ends with us or stays
    written down, so that the next command finds it.
    """
    os.write(2, b"lab: interrupted; `hack/lab up` goes on where this stopped, `hack/lab down` ends the lab\n")
    os._exit(130)


def _help(name: str) -> int:
    known = name in ("-h", "--help", "help")
    out = sys.stdout if known else sys.stderr
    if not known:
        print(f"lab: there is no command {name}", file=out)
    print("usage: hack/lab COMMAND …\n\nA real Kubernetes cluster on this machine, of two nodes or more.\n", file=out)
    for command, (_, text) in COMMANDS.items():
        print(f"  {command:9} {text}", file=out)
    print("\n`hack/lab COMMAND --help` tells more. First: hack/lab up", file=out)
    return 0 if known else 2


def _internal(argv: Sequence[str]) -> int:
    """What the lab starts of itself: the supervisor and the forwarder."""
    from . import forward, supervisor

    match argv:
        case ["_hold", go, listener, path]:
            supervisor.hold(int(go), int(listener), path)
        case ["_serve", listener, path]:
            supervisor.serve(int(listener), path)
        case ["_forward", host, port]:
            forward.serve(supervisor.INHERITED, host, int(port))
        case _:
            return _help(argv[0])
    return 0
