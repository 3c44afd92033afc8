"""Label selectors, as far as we write them ourselves: `a=b,c!=d,e,!f`.

What is said with `in` and `notin` is not decided here: whoever asks is told that it may match.
"""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["matches_labels"]

_TERM: Final = re.compile(r"\s*(?P<not>!?)\s*(?P<key>[^\s=!,()]+)\s*(?:(?P<op>==?|!=)\s*(?P<value>[^\s=!,()]*)\s*)?")


def matches_labels(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet the selector; True where that cannot be told."""
    if not selector.strip() or "(" in selector:
        return True
    return all(_term_holds(term, labels) for term in selector.split(","))


def _term_holds(term: str, labels: Mapping[str, str]) -> bool:
    said = _TERM.fullmatch(term)
    if said is None:
        return True
    key, value = said["key"], said["value"]
    if said["op"] is None:
        return (key in labels) != bool(said["not"])
    return (labels.get(key) == value) == (said["op"] != "!=")
