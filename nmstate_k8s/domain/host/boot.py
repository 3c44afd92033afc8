"""This boot of this machine: its id, and the time since it began as NetworkManager counts it."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

__all__ = ["boot_id", "milliseconds_since_boot"]


@cache
def boot_id() -> str:
    """A new one with each boot, the same in every container."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def milliseconds_since_boot() -> int:
    """The clock of NetworkManager's checkpoints: it goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
