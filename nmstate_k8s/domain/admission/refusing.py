"""What no node could carry out: refused, with the path and what was meant.

The checks are the node's own, of `domain.desired`, in the node's order. What depends on the state of a node is left
to the node: which interfaces there are, what a capture finds.
"""

from __future__ import annotations

__all__ = ["refuse_wrong", "refusal_text"]

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.blanks import without_references
from nmstate_k8s.domain.desired.captures import refuse_wrong_captures
from nmstate_k8s.domain.desired.checks import Has, refuse_mistakes
from nmstate_k8s.domain.desired.defaults import with_defaults
from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.impossible import refuse_impossible
from nmstate_k8s.domain.desired.libnmstate import Libnmstate
from nmstate_k8s.domain.desired.limits import refuse_large_captures, refuse_other_than_object, refuse_too_large
from nmstate_k8s.domain.desired.paths import field_text
from nmstate_k8s.domain.desired.readable import refuse_unreadable
from nmstate_k8s.domain.desired.references import has_references, refuse_wrong_references
from nmstate_k8s.domain.desired.secrets import Redactor

MAX_TEXT = 1_000
"""Characters of a refusal: names and keys in it may be as long as somebody likes."""


async def refuse_wrong(
    libnmstate: Libnmstate,
    desired: Any,
    capture: Mapping[str, str],
    known: Sequence[Has],
    *,
    allow_dispatch: bool,
) -> None:
    """`known` is what the nodes have already, as far as it is known: that may be said again.

    :raises DesiredStateError: with the path of the mistake.
    """
    if not desired:
        return
    refuse_other_than_object(desired)
    refuse_large_captures(capture)
    await refuse_wrong_captures(libnmstate, capture)
    if not has_references(desired):
        state = with_defaults(desired)
        refuse_too_large(msgspec.json.encode(state))
        await refuse_unreadable(libnmstate, state)
        refuse_mistakes(state, known, allow_dispatch=allow_dispatch)
        await refuse_impossible(libnmstate, state)
        return
    refuse_wrong_references(desired, capture)
    blank = without_references(desired)
    await refuse_unreadable(libnmstate, blank, written=desired)
    refuse_mistakes(blank, known, allow_dispatch=allow_dispatch)


def refusal_text(error: DesiredStateError, desired: Any) -> str:
    """For people: the path, the mistake, what to do. Without secrets: errors quote what they do not like."""
    where = field_text(("spec", *error.path))
    advice = f". {error.advice}" if error.advice else ""
    redactor = Redactor()
    redactor.learn(desired)
    text = redactor.text(f"{where}: {error.message}{advice}")
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
