"""`hack/lab`: reads the command line, and tells what went wrong in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .errors import LabError
from .paths import Paths

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    if argv and argv[0].startswith("_"):
        return _internal(argv)
    from . import commands

    try:
        return commands.run(Paths.of_user(), list(argv))
    except LabError as error:
        if error.output:
            print(error.output, file=sys.stderr)
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; `hack/lab up` goes on, `hack/lab down` ends the lab", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 141


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
            print(f"lab: unknown command {argv[0]}", file=sys.stderr)
            return 2
    return 0
