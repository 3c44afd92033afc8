"""Durations as Go writes them, in fields that people of the Go system know: ``24h0m0s``, ``1h30m``, ``500ms``."""

from __future__ import annotations

__all__ = ["LONGEST", "go_duration"]

import re
from datetime import timedelta

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
LONGEST = timedelta(days=100 * 365)
"""Longer ones count as this: a moment so far from now can still be written as a date."""


def go_duration(text: str) -> timedelta:
    """The duration, at most a hundred years.

    :raises ValueError: if it is none.
    """
    if not re.fullmatch(f"(?:{_PART.pattern})+", text):
        raise ValueError(f"{text!r} is no duration")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return timedelta(seconds=min(seconds, LONGEST.total_seconds()))
