"""`nmstate-handler node` and `nmstate-handler controller`: two programs in one image.

Each is imported only when it is the one to run: what the controller needs costs the node no memory.
"""

from __future__ import annotations

__all__ = ["main"]

import sys

USAGE = "usage: nmstate-handler node|controller"


def main() -> None:
    """Run what the first argument names."""
    match sys.argv[1:]:
        case ["node"]:
            from nmstate_k8s.apps.run_node import main as run
        case ["controller"]:
            from nmstate_k8s.apps.run_controller import main as run
        case ["-h" | "--help"]:
            sys.stdout.write(f"{USAGE}\n")
            return
        case _:
            sys.exit(USAGE)
    run()
