"""Every line of the log looks alike, whoever wrote it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from nmstate_k8s.apps.logs import configure_logging


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Where the log goes during a test; afterwards logging is as before."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    structlog.configure(**config)


def test_a_librarys_line_looks_like_ours(out: io.StringIO) -> None:
    """With its logger, its error in one line, and the keys that are bound."""
    configure_logging("info", stream=out)
    with structlog.contextvars.bound_contextvars(transaction="t1"):
        structlog.get_logger("ours").info("step", step="apply")
        try:
            raise ValueError("odd")
        except ValueError:
            logging.getLogger("asyncio").exception("never retrieved %s", "x")
        logging.getLogger("asyncio").info("too quiet")
    ours, theirs = out.getvalue().splitlines()
    assert "level=info event=step step=apply transaction=t1" in ours
    assert 'level=error event="never retrieved x"' in theirs
    assert "logger=asyncio" in theirs
    assert "transaction=t1" in theirs
    assert "ValueError: odd" in theirs


def test_what_must_not_be_written_is_taken_out_of_every_line(out: io.StringIO) -> None:
    """A library may print what it was given."""

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: str(value).replace("s3cret", "***") for key, value in event.items()}

    configure_logging("info", redact=redact, stream=out)
    structlog.get_logger("ours").info("told", value="s3cret")
    logging.getLogger("aiohttp").warning("got s3cret")
    assert "s3cret" not in out.getvalue()
    assert out.getvalue().count("***") == 2


def test_what_others_wrote_commands_no_terminal(out: io.StringIO) -> None:
    """One line an event, whatever is in it: escape sequences, line ends of all kinds, letters that turn the line."""
    configure_logging("info", stream=out)
    words = 'a\x1b[2J\rb\x9b1m\x85c\u2028d\u202ee\nevent="faked" ü'
    structlog.get_logger("ours").info("told", message=words, count=3, error=ValueError(words))
    logging.getLogger("aiohttp").warning("got %s", words)
    lines = out.getvalue().split("\n")
    assert (len(lines), lines[-1]) == (3, "")
    for line in lines:
        assert all(letter.isprintable() for letter in line)
    assert "count=3" in lines[0]
    for line in lines[:2]:
        assert r"x1b[2J\\rb" in line
        assert "ü" in line
