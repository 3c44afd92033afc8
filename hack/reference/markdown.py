"""Markdown as the reference uses it: tables whose cells may hold anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["cell", "code", "table"]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what a cell's text has of the table's own signs is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell(each) for each in line)} |\n" for line in lines)


def cell(text: str) -> str:
    """The text, fit for a cell: one line, without a bare bar, and nothing of it taken for HTML or a template."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: object) -> str:
    """The text as it is written in a program or manifest."""
    return f"`{text}`"
