"""Where the handler's transaction is held: failpoints in a file on the node, read each time one is reached.

The handler must run with NMSTATE_FAILPOINTS=file, as e2e/kit/install.py has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from e2e.kit import Node, eventually

__all__ = ["HOLDS", "WAY_BACK", "Points"]

FOLDER = "/var/k8s_nmstate/failpoints"
# Waits in the node itself: no round trip between the moment and what follows.
_REACHED = """
for i in $(seq {tries}); do
    [ -e {folder}/{point}.reached ] && exit 0
    sleep 0.02
done
exit 1
"""

HOLDS = (
    "before-journal",
    "before-apply",
    "before-locate",
    "before-note",
    "before-probe",
    "before-check",
    "before-commit",
    "before-sync",
    "before-close",
)
"""The points of a transaction that goes well, from the first at which anything could be left behind."""

WAY_BACK = ("before-find", "before-back", "before-files", "before-reprobe", "before-compare", "before-shut")
"""And those of the way back."""


@dataclass(frozen=True)
class Points:
    """The failpoints of one node."""

    node: Node

    def arm(self, actions: Mapping[str, str]) -> None:
        """From now on these and no others; forgotten is what was reached before."""
        text = "\\n".join(f"{name}={action}" for name, action in actions.items())
        self.node.sh(
            f"mkdir -p {FOLDER}; rm -f {FOLDER}/*; printf '{text}\\n' > {FOLDER}/.armed; "
            f"mv {FOLDER}/.armed {FOLDER}/armed"
        )

    def clear(self) -> None:
        """None any more: whatever is held goes on."""
        self.node.sh(f"rm -rf {FOLDER}")

    def release(self) -> None:
        """What is held goes on; what was reached is remembered."""
        self.node.sh(f"rm -f {FOLDER}/armed")

    def wait(self, point: str, *, timeout: float = 60) -> None:
        """Until the handler is at this point."""
        script = _REACHED.format(tries=int(timeout / 0.02), folder=FOLDER, point=point)
        done = self.node.exec("sh", "-c", script, check=False, timeout=timeout * 4)
        assert done.returncode == 0, f"the handler did not come to {point} within {timeout:.0f} s"

    def reached(self, point: str) -> bool:
        return self.node.exec("test", "-e", f"{FOLDER}/{point}.reached", check=False).returncode == 0

    def eventually_reached(self, point: str, *, timeout: float) -> None:
        eventually(f"the handler is at {point}", lambda: self.reached(point), timeout=timeout)
