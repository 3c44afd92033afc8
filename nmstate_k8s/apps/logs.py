"""Logs of all programs: one line an event on stderr, `key=value`, for people and for machines.

Messages are constant; what varies is in the keys. A reconcile binds its controller and key, so that every line of
it carries them.
"""

from __future__ import annotations

__all__ = ["configure_logging"]

import logging
import sys

import structlog


def configure_logging(level: str, *, redact: structlog.typing.Processor | None = None) -> None:
    """Log what is at least as important as ``level``; also what libraries tell the standard library's logging.

    ``redact`` sees each event last, when errors are text already, and takes out what must not be written.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([redact] if redact else []),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=sys.stderr)
