"""The stack of this checkout on the running lab, as all end-to-end tests have it."""

from __future__ import annotations

from e2e.kit.shell import ROOT, CommandFailed, run

__all__ = ["bring_up", "install"]

# Two attempts are enough to see a retry. A new bridge with STP, which is the default, forwards after 30 s, and a
# DHCP client then waits for its next try, 62 s after the first: probes must last longer than that.
_SETTINGS = (
    "--set", "NNCP_MAX_RETRIES=2",
    "--set", "NMSTATE_FAILPOINTS=file",  # none until a test names some: see e2e/faults/points.py
    "--probe-timeout", "90",
)  # fmt: skip


def bring_up() -> None:
    """A lab runs whose nodes have Open vSwitch; at once where it did. One without, as of a demo, gives way to it."""
    lab = str(ROOT / "hack/lab")
    try:
        run(lab, "up", "--ovs", timeout=1800)
    except CommandFailed as error:
        if "has no Open vSwitch" not in error.stderr:
            raise
        run(lab, "down")
        run(lab, "up", "--ovs", timeout=1800)


def install() -> None:
    """Operator and NMState are Available, with this checkout's images."""
    run(str(ROOT / "hack/deploy"), *_SETTINGS, timeout=900)
