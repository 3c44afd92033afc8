"""Logs of all programs: one line an event on stderr, `key=value`, for people and for machines.

- Messages are constant; what varies is in the keys. A reconcile binds its controller and key, a transaction its id
  and policy, so that every line of it carries them.
- What others wrote (a node's words, a policy's names) reaches no terminal as a command: control characters, and those
  that turn the direction of a line, are written as escapes.
- What libraries tell the standard library's logging looks alike, with the `logger` that told it.
"""

from __future__ import annotations

__all__ = ["configure_logging"]

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from nmstate_k8s.core.printable import printable


def configure_logging(level: str, *, redact: Processor | None = None, stream: TextIO | None = None) -> None:
    """Log what is at least as important as ``level``; of what libraries tell, warnings at least.

    ``redact`` sees each event last, when errors are text already, and takes out what must not be written.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: list[Processor] = [
        *([redact] if redact else []),
        _printable,
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared[:3], structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *last,
            ],
        )
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler], force=True)


def _printable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Numbers and truth values as they are; all else as the text that it would be, where that is another."""
    return {key: _shown(value) for key, value in event.items()}


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    shown = printable(text)
    return value if shown == text else shown
