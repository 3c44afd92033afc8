"""Texts that others wrote, so that they can be shown: what commands a terminal is written as an escape.

A name, a node's message, a server's error may hold whatever somebody put there: sequences that clear a screen, line
ends that forge a line, marks that turn its direction.
"""

import re
from typing import Final

__all__ = ["printable"]

_COMMANDS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""C0 but for the line feed, C1; separators of lines, and marks of direction."""


def printable(text: str) -> str:
    r"""The text with such characters as in ``\x1b``; line feeds stay."""
    return _COMMANDS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
