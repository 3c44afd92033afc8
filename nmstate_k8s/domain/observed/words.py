"""Words of nodes as values of labels.

What a node reports is not to be trusted with our time series: a new value is a new series, kept by Prometheus for
weeks. So a value is one of the form that nmstate's own words have, of bounded length, or it is `other`; and what one
object may bring is bounded in number.
"""

from __future__ import annotations

__all__ = ["MOST", "OTHER", "distinct", "word"]

import re
from collections.abc import Iterable
from typing import Final

OTHER: Final = "other"
MOST: Final = 64
"""Different words that one object may bring: nmstate has some 40 types of interfaces, and some 60 features."""

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def word(text: object) -> str:
    """The text, if it is a word; else `other`."""
    return text if isinstance(text, str) and _WORD.fullmatch(text) else OTHER


def distinct(texts: Iterable[object]) -> frozenset[str]:
    """The different words among the texts, in the order in which they come, as far as they are allowed."""
    found: dict[str, None] = {}
    for text in texts:
        each = word(text)
        if each not in found and len(found) >= MOST - 1:
            each = OTHER
        found[each] = None
    return frozenset(found)
