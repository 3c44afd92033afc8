"""The stack of this checkout on the running lab, as all end-to-end tests have it."""

from __future__ import annotations

from e2e.kit.claim import LabRefused, claim, claims_file, this_command
from e2e.kit.shell import ROOT, CommandFailed, run

__all__ = ["bring_up", "deploy", "install", "lab_or_exit"]

# Two attempts are enough to see a retry. A new bridge with STP, which is the default, forwards after 30 s, and a
# DHCP client then waits for its next try, 62 s after the first: probes must last longer than that.
_SETTINGS = (
    "--set", "NNCP_MAX_RETRIES=2",
    "--set", "NMSTATE_FAILPOINTS=file",  # none until a test names some: see e2e/faults/points.py
    "--probe-timeout", "90",
)  # fmt: skip
_LAB = str(ROOT / "hack/lab")


def bring_up(*, nodes: int | None = None, open_vswitch: bool = True) -> None:
    """A lab runs that is this run's alone, of this checkout's make; at once where it did.

    One whose nodes have no Open vSwitch, as of a demo, gives way to one whose nodes have it.

    :raises LabRefused: if another run uses it, or another version of `hack/lab` has made it.
    """
    claim(claims_file(), this_command())
    wanted = ("up", *(("--nodes", str(nodes)) if nodes else ()), *(("--ovs",) if open_vswitch else ()))
    try:
        run(_LAB, *wanted, timeout=1800)
    except CommandFailed as error:
        if "has no Open vSwitch" not in error.stderr:
            raise LabRefused(error.stderr.strip() or str(error)) from error
        run(_LAB, "down")
        run(_LAB, *wanted, timeout=1800)


def lab_or_exit(*, nodes: int | None = None, open_vswitch: bool = False) -> None:
    """`bring_up` for a command: where it may not be used, a sentence, and the end."""
    try:
        bring_up(nodes=nodes, open_vswitch=open_vswitch)
    except LabRefused as error:
        raise SystemExit(str(error)) from None


def install() -> None:
    """Operator and NMState are Available, with this checkout's images."""
    deploy(*_SETTINGS, timeout=900)


def deploy(*settings: str, timeout: float = 1800) -> None:
    """The same with these settings of `hack/deploy`."""
    run(str(ROOT / "hack/deploy"), *settings, timeout=timeout)
