"""What a user says of a rollout by annotation: promote, pause, abort. Each names the generation that it is about.

- What is said of another generation than the policy's is no longer, or not yet, of interest: an edit begins anew.
- To resume is to take the pause away.
- A value that makes no sense says nothing.
"""

from __future__ import annotations

__all__ = ["NOTHING_SAID", "Verbs"]

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nmstate_k8s.api.meta import ABORT_ANNOTATION, PAUSE_ANNOTATION, PROMOTE_ANNOTATION

_PROMOTED = re.compile(r"([0-9]{1,19})(?:/([0-9]{1,19}))?")
"""Generations have no more digits; Python refuses to read thousands of them."""


@dataclass(frozen=True, slots=True)
class Verbs:
    """What is said of one generation."""

    promoted: int | None = 0
    """The last step that is not waited after any more; None: that is any."""
    paused: bool = False
    aborted: bool = False

    def passes(self, step: int) -> bool:
        """Whether the pause after a step (counted from 1) is over by somebody's word."""
        return self.promoted is None or step <= self.promoted

    @classmethod
    def of(cls, annotations: Mapping[str, str], generation: int) -> Verbs:
        """Read them. ``GENERATION`` promotes through all steps, ``GENERATION/STEP`` up to that one."""
        said = _PROMOTED.fullmatch(annotations.get(PROMOTE_ANNOTATION, "").strip())
        promoted: int | None = 0
        if said and int(said[1]) == generation:
            promoted = int(said[2]) if said[2] else None
        return cls(
            promoted=promoted,
            paused=annotations.get(PAUSE_ANNOTATION, "").strip() == str(generation),
            aborted=annotations.get(ABORT_ANNOTATION, "").strip() == str(generation),
        )


NOTHING_SAID = Verbs()
