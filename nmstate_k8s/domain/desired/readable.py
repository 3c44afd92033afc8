"""What libnmstate cannot read, or would skip a part of without a word: refused, with the place and what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from nmstate_k8s.domain.desired.blame import find_culprit
from nmstate_k8s.domain.desired.errors import DesiredStateError
from nmstate_k8s.domain.desired.explain import Explanation, known_keys
from nmstate_k8s.domain.desired.explain_mistakes import explain_mistake, misspelt_keys, misspelt_types
from nmstate_k8s.domain.desired.libnmstate import Libnmstate
from nmstate_k8s.domain.desired.paths import DESIRED
from nmstate_k8s.domain.desired.secrets import masked

__all__ = ["refuse_unreadable"]


async def refuse_unreadable(libnmstate: Libnmstate, state: Any, before: bytes = b"", *, written: Any = None) -> None:
    """`before` is the node's state, whose keys may have been meant; `written` the state as the policy has it, where
    `state` is another of the same shape.

    :raises DesiredStateError: with the path of the mistake.
    """
    told = state if written is None else written
    try:
        await libnmstate.parse(msgspec.json.encode(state))
    except DesiredStateError as error:
        if written is not None and "missing field" in error.message:
            return  # perhaps one that was left out
        path, said = await find_culprit(libnmstate, state)
        explanation = explain_mistake(said or error.message, masked(told), path, known_keys(before))
        raise _mistake(explanation, error.kind, (*error.log, error.message)) from error
    if misspelt := misspelt_types(told) or misspelt_keys(told):
        raise _mistake(misspelt)


def _mistake(told: Explanation, kind: str = "InvalidArgument", log: Iterable[str] = ()) -> DesiredStateError:
    return DesiredStateError(kind, told.cause, log, told.interface, path=(DESIRED, *told.path))
