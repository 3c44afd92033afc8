"""How a long command ends when it is told to: in order, so that what it began is undone."""

from __future__ import annotations

import signal
import sys

__all__ = ["end_in_order"]


def end_in_order() -> None:
    """From here on SIGINT and SIGTERM are exceptions, also where a shell has begun us in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
